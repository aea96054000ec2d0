"""What is measured inside one process of the bundler: `sysroot_child.py COMMAND REQUEST ANSWER`.

It runs in the bundler's environment; REQUEST and ANSWER are JSON files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import resource
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def peak() -> int:
    """The most memory that this process had, in bytes. Unlike ru_maxrss it knows nothing of the
    process that started this one."""
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("/proc/self/status has no VmHWM")
    return int(found.group(1)) * 1024


def command(request: dict[str, Any]) -> dict[str, Any]:
    """Runs the bundler's command line `arguments`; `child_peak` is the most of one process that it
    started."""
    from pants_plugin_minimg.bundler import __main__

    began = time.perf_counter()
    status = __main__.main(request["arguments"])
    if status != 0:
        raise SystemExit(status)
    inside = time.perf_counter() - began
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"inside": inside, "peak": peak(), "child_peak": child}


def closure(request: dict[str, Any]) -> dict[str, Any]:
    """The closure of each of `programs` in `sysroot`; `answers` is a digest of all that was found,
    `complete` are the ELF programs that an image can hold: nothing missing, no set-uid bit."""
    from pants_plugin_minimg.bundler.commands.closure import OK, answer
    from pants_plugin_minimg.bundler.loader.starts import Starts
    from pants_plugin_minimg.bundler.planning.opening import open_sysroot
    from pants_plugin_minimg.bundler.planning.request import SysrootSource

    raw = request["sysroot"]
    source = SysrootSource(raw["kind"], raw.get("root", "/"), tuple(raw.get("packages", ())))
    began = time.perf_counter()
    sysroot = open_sysroot(source)
    opened = time.perf_counter()
    starts = Starts(sysroot)
    answers = [answer(starts, path.encode()) for path in request["programs"]]
    ended = time.perf_counter()
    found = {item.path.decode(): item for item in answers}
    texts = {
        path: hashlib.sha256("\n".join(item.lines()).encode()).hexdigest()
        for path, item in found.items()
    }
    complete = [
        path
        for path, item in found.items()
        if item.status == OK
        and item.kind in ("static", "static-pie", "dynamic")
        and (stat := sysroot.walk(path.encode()).stat) is not None
        and not stat.mode & 0o6000
    ]
    return {
        "open": opened - began,
        "closure": ended - opened,
        "peak": peak(),
        "answers": texts,
        "complete": complete,
    }


def unpack(request: dict[str, Any]) -> dict[str, Any]:
    """Unpacks `packages`, each a list of the arguments of `unpack`."""
    with ProcessPoolExecutor() as pool:
        list(pool.map(_unpack, request["packages"], chunksize=4))
    return {}


def _unpack(arguments: list[Any]) -> None:
    from pants_plugin_minimg.bundler.debian.unpack import unpack as one

    deb, sha256, size, limit, out = arguments
    one(deb, sha256, size, limit, out)


def compress(request: dict[str, Any]) -> dict[str, Any]:
    """Compresses each different layer of `images` (tars) again: the bytes that come out, and the
    seconds of that alone."""
    from pants_plugin_minimg.bundler.rendering.gzipstream import Gzip, Pieces

    seen: dict[str, int] = {}
    seconds = 0.0
    for path in request["images"]:
        with tarfile.open(path) as archive:
            docker = archive.extractfile("manifest.json")
            assert docker is not None
            for name in json.load(docker)[0]["Layers"]:
                blob = archive.extractfile(name)
                assert blob is not None
                if name in seen:
                    continue
                packed = blob.read()
                seen[name] = len(packed)
                plain = gzip.decompress(packed)
                began = time.perf_counter()
                compressed = Gzip(len)
                pieces = Pieces(compressed.write)
                pieces.write(plain)
                pieces.close()
                compressed.close()
                seconds += time.perf_counter() - began
    return {"bytes": sum(seen.values()), "compression": seconds}


COMMANDS = {"command": command, "closure": closure, "unpack": unpack, "compress": compress}


def main(arguments: list[str]) -> None:
    name, request, answer = arguments
    document = COMMANDS[name](json.loads(Path(request).read_text()))
    Path(answer).write_text(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
