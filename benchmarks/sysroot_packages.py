"""Locks packages, and brings them into a folder that serves as a mirror without a network."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ours import CannotMeasure
from benchmarks.sysroot_tool import Tool

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
APT = "/etc/apt"
AT_ONCE = 4
_FIELD = re.compile(r"^(suites|components|architectures|packages) = (\[[^]]*\])$", re.MULTILINE)


def architecture() -> str:
    """Debian's name of this machine's. Raises CannotMeasure."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise CannotMeasure(f"Debian's name of {machine} is not known")
    return ARCHITECTURES[machine]


@dataclass(frozen=True)
class Locked:
    """A package of a lock; `size` and `limit` (of what it unpacks to) in bytes."""

    name: str
    path: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    limit: int


class Archive:
    """The packages of this machine's apt sources, and `mirror`, a folder with some of them."""

    def __init__(self, tool: Tool, scratch: Path) -> None:
        self.tool, self.scratch = tool, scratch
        self.mirror = scratch / "mirror"

    def option(self) -> str:
        """What makes Pants take packages from the folder, and from nowhere else."""
        return f"--minimg-debian-mirrors=['{self.mirror.as_uri()}']"

    def base_url(self, suite: str) -> str:
        """Raises CannotMeasure when the apt sources do not name the suite."""
        listing = self.scratch / "sources.json"
        self.tool.call("sources", f"--apt={APT}", f"--out={listing}")
        for source in json.loads(listing.read_text())["sources"]:
            if suite in source["suites"]:
                return str(source["uri"])
        raise CannotMeasure(f"the apt sources of this machine name no mirror for {suite}")

    def lock(self, suite: str, packages: Sequence[str], into: Path) -> None:
        """Writes the lock of what a `debian_sysroot` with `packages` asks for."""
        request = {
            "version": 1,
            "resolve": "benchmark",
            "address": "//benchmark:packages",
            "suites": [suite],
            "components": ["main"],
            "architectures": [architecture()],
            "packages": [*packages, "base-files"],
            "mirrors": [],
            "apt": APT,
            "keyrings": [],
            "gpgv": shutil.which("gpgv"),
            "lockfile": into.name,
            "previous": None,
        }
        asked, out = self.scratch / "lock-request.json", self.scratch / "lock-out"
        asked.write_text(json.dumps(request))
        self.tool.call("lock", f"--request={asked}", f"--out={out}")
        shutil.move(str(out / "lock.toml"), into)
        shutil.rmtree(out)

    def scope(self, lock: Path, roots: Sequence[str] = ()) -> list[Locked]:
        """What `roots` reach; without any, all of the lock."""
        head = lock.read_text().partition("[[package]]")[0]
        fields = {name: ast.literal_eval(text) for name, text in _FIELD.findall(head)}
        request: dict[str, Any] = {
            "version": 1,
            "sysroot": lock.name,
            "lockfile": lock.name,
            "command": "generate-lockfiles",
            **fields,
            "roots": [*roots, "base-files"] if roots else [],
            "architecture": architecture(),
            "mirrors": [],
            "apt": APT,
            "apt_state": None,
        }
        asked, out = self.scratch / "scope-request.json", self.scratch / "scope.json"
        asked.write_text(json.dumps(request))
        self.tool.call("scope", f"--lock={lock}", f"--request={asked}", f"--out={out}")
        return [
            Locked(
                item["name"],
                item["path"],
                tuple(item["urls"]),
                item["sha256"],
                item["size"],
                item["limit"],
            )
            for item in json.loads(out.read_text())["packages"]
        ]

    def fetch(self, packages: Iterable[Locked]) -> None:
        """Brings into the folder what it does not hold. Raises CannotMeasure."""
        wanted = {package.path: package for package in packages}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._fetch, wanted.values()))

    def _fetch(self, package: Locked) -> None:
        place = self.mirror / package.path
        if place.is_file():
            return
        for url in package.urls:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    content = answer.read()
            except OSError:
                continue
            if hashlib.sha256(content).hexdigest() == package.sha256:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
                return
        raise CannotMeasure(f"no mirror has {package.path}: is the lock too old?")

    def unpack(self, packages: Sequence[Locked], into: Path) -> list[Path]:
        """The folder that `unpack` makes of each."""
        folders = [into / package.name for package in packages]
        into.mkdir(parents=True)
        jobs = [
            [
                str(self.mirror / package.path),
                package.sha256,
                package.size,
                package.limit,
                str(folder),
            ]
            for package, folder in zip(packages, folders)
        ]
        self.tool.child("unpack", {"packages": jobs})
        return folders


def extract(folders: Sequence[Path], root: Path) -> None:
    """The same files as a directory, below the links of a merged /usr as debootstrap makes them."""
    for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for folder in folders:
        unpack = ["tar", "-xf", str(folder / "data.tar"), "--keep-directory-symlink", "-C"]
        subprocess.run([*unpack, str(root)], check=True)
