"""What each choice for a PEX on scratch costs: how much of the library, and byte code; beside
a PEX file in an image that has all of Python.

Run from the repository's root: `python3 -m benchmarks.python_images --help`; see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

from benchmarks import command, measure, pages, python_peers
from benchmarks.machine import describe
from benchmarks.pages import REPOSITORY
from benchmarks.python_peers import Peer
from benchmarks.record import Aim, NotRun, Record
from benchmarks.report import aims_table, table_line
from benchmarks.sysroot_tool import Tool

PAGE = pages.PYTHON_IMAGES
PYTHON = "/usr/bin/python3"
LIBRARIES = ("all", "default", "reachable")
# What the web service of the examples imports; it ends where that would wait for requests.
PROGRAM = """\
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def main():
    print(json.dumps([os.getuid(), sys.version, ThreadingHTTPServer.__name__]))
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks.python_images", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=9, help="starts of each image")
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


def lacking() -> list[str]:
    missing = [name for name in ("bwrap",) if shutil.which(name) is None]
    return missing + ([] if os.path.exists(PYTHON) else [f"{PYTHON} (apt-get install python3)"])


@dataclass
class Row:
    """Sizes in bytes, times in seconds."""

    disk: int
    wire: int
    files: int
    plan: float
    root: Path
    starts: list[float]


class Job:
    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.rows: dict[tuple[str, bool], Row] = {}
        self.peers: list[Peer] = []

    def prepare(self) -> None:
        self.tool = Tool(REPOSITORY, self.scratch, None)
        app = self.scratch / "app"
        (app / ".bootstrap").mkdir(parents=True)
        (app / "PEX-INFO").write_text('{"entry_point": "service:main"}')
        (app / "__main__.py").write_text("")
        (app / "service.py").write_text(PROGRAM)

    def run(self) -> None:
        for library, compiled in product(LIBRARIES, (False, True)):
            command.say(f"{library}, {'with' if compiled else 'without'} byte code")
            self.rows[library, compiled] = self._made(library, compiled)
        self.peers = self._made_by_others()
        starts: list[Callable[[], None]] = [partial(_start, row) for row in self.rows.values()]
        starts += [partial(python_peers.start, peer) for peer in self.peers if peer.root]
        for number in range(self.options.rounds):
            for start in starts if number % 2 else reversed(starts):
                start()

    def stop(self) -> None:
        pass

    def _made_by_others(self) -> list[Peer]:
        sources = self.scratch / "sources"
        sources.mkdir()
        (sources / "service.py").write_text(PROGRAM)
        pex = python_peers.pex_file(self.scratch, sources, "service:main")
        package = os.path.basename(os.path.realpath(PYTHON))
        return python_peers.all_peers(self.tool, self.scratch, package, pex, command.say)

    def _made(self, library: str, compiled: bool) -> Row:
        out = self.scratch / f"{library}-{compiled}"
        tree = {"root": str(self.scratch / "app"), "origin": "//:app", "role": "pex"}
        request = {
            "version": 1,
            "address": "//benchmark:python",
            "trees": [{**tree, "primary": True}],
            "python_stdlib": library,
            "python_bytecode": compiled,
            "allowed_missing": ["libtk8.6.so", "libtcl8.6.so", "libBLT.2.5.so.8.6"],
            "hints": False,
        }
        path = self.scratch / f"{out.name}.json"
        path.write_text(json.dumps(request))
        began = time.monotonic()
        self.tool.call("plan", f"--request={path}", f"--out={out}")
        seconds = time.monotonic() - began
        wire = 0
        for layer in sorted((out / "layers").iterdir()):
            folder = out / f"layer-{layer.stem}"
            self.tool.call(
                "layer", f"--projection={layer}", f"--blobs={out / 'blobs'}", f"--out={folder}"
            )
            wire += int(json.loads((folder / "layer.json").read_text())["size"])
        entries = json.loads((out / "plan.json").read_text())["entries"]
        root = out / "root"
        _materialize(entries, out / "blobs", root)
        files = [entry for entry in entries if entry["kind"] == "file"]
        return Row(sum(file["size"] for file in files), wire, len(files), seconds, root, [])

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        version = subprocess.run(
            [PYTHON, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
        parts = [
            "# Benchmarks of Python images",
            "Written by `python3 -m benchmarks.python_images`; benchmarks/README.md says how to "
            "run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"{version} of this machine. Start: bubblewrap, read-only, until a program that "
            "imports `http.server` and `json` has ended; the median of "
            f"{self.options.rounds} in turn.",
            self._table(),
            "A PEX file runs as it is in an image with all of Python, as a Dockerfile makes it. It "
            "unpacks itself at the first start in a container, into a `PEX_ROOT` on a tmpfs; "
            "*again* is the next start with that. The base system is debootstrap's minbase "
            "without documentation and translations, which Debian's slim images leave out, and "
            "without apt's lists. The packages are the interpreter's and what they depend on, "
            "unpacked: no shell, and no byte code. On the wire by `gzip -6`.",
            python_peers.cited(),
            "## What we set ourselves",
            aims_table(self.record().aims),
        ]
        return "\n\n".join(parts) + "\n"

    def _table(self) -> str:
        titles = [
            "image: library",
            "byte code",
            "files",
            "disk, MB",
            "wire, MB",
            "starts, ms",
            "plan, s",
        ]
        lines = [table_line(titles), table_line(["---", "---", *["---:"] * 5])]
        for (library, compiled), row in self.rows.items():
            lines.append(
                table_line(
                    [
                        f"`{library}`",
                        "yes" if compiled else "no",
                        str(row.files),
                        f"{row.disk / 1e6:.1f}",
                        f"{row.wire / 1e6:.1f}",
                        f"{median(row.starts) * 1000:.0f}",
                        f"{row.plan:.1f}",
                    ]
                )
            )
        return "\n".join([*lines, *map(python_peers.line, self.peers)])

    def record(self) -> Record:
        whole, small = self.rows["all", False], self.rows["reachable", False]
        slow, fast = self.rows["reachable", False], self.rows["reachable", True]
        size, start = small.wire / whole.wire, median(fast.starts) / median(slow.starts)
        aims = [
            Aim("`reachable` ÷ the whole library, on the wire < 1", f"{size:.2f}", size < 1),
            Aim("start with byte code ÷ without < 1", f"{start:.2f}", start < 1),
        ]
        made = [peer for peer in self.peers if peer.root]
        for peer in made:
            ours = self.rows["default", True]
            wire, start = ours.wire / peer.wire, median(ours.starts) / median(peer.starts)
            aims += [
                Aim(f"`default` ÷ {peer.name}, on the wire < 1", f"{wire:.2f}", wire < 1),
                Aim(f"start of `default` ÷ {peer.name} < 1", f"{start:.2f}", start < 1),
            ]
        not_run = [NotRun(peer.name, peer.why_not) for peer in self.peers if peer.why_not]
        return Record(tuple(aims), self._table(), not_run=tuple(not_run))


def _materialize(entries: Sequence[dict[str, object]], blobs: Path, root: Path) -> None:
    links: list[tuple[Path, Path]] = []
    for entry in entries:
        path = root / str(entry["path"]).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry["kind"] == "dir":
            path.mkdir(exist_ok=True)
        elif entry["kind"] == "link":
            path.symlink_to(str(entry["target"]))
        elif entry["kind"] == "hardlink":
            links.append((path, root / str(entry["target"]).lstrip("/")))
        else:
            shutil.copyfile(blobs / str(entry["content"]), path)
            path.chmod(int(str(entry["mode"])))
    for path, target in links:
        os.link(target, path)
    for name in ("proc", "dev"):
        (root / name).mkdir(exist_ok=True)


def _start(row: Row) -> None:
    argv = ["bwrap", "--unshare-all", "--ro-bind", str(row.root), "/", "--proc", "/proc"]
    argv += ["--dev", "/dev", "--clearenv", "--", PYTHON, "-s", "/app/__main__.py"]
    seconds, output = measure.run_and_read(argv, REPOSITORY)
    assert "ThreadingHTTPServer" in output
    row.starts.append(seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
