"""What is done without us: a PEX file, as it is, in an image that has all of Python."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Optional

from benchmarks import measure
from benchmarks.machine import codename
from benchmarks.ours import CannotMeasure
from benchmarks.pages import REPOSITORY
from benchmarks.report import table_line
from benchmarks.sysroot_packages import Archive, extract
from benchmarks.sysroot_peers import cannot_debootstrap, minbase
from benchmarks.sysroot_tool import Tool

PEX_LOCK = REPOSITORY / "build-support" / "locks" / "pex.lock"
PEX_FILE = "app.pex"
# Debian's images called slim leave these out; apt's lists and packages go in any Dockerfile.
LEFT_OUT = (
    *(f"usr/share/{name}" for name in ("doc", "groff", "info", "lintian", "locale", "man")),
    "var/cache/apt",
    "var/lib/apt/lists",
)
SYSTEM = "a PEX file on Debian's base system with `python3`"
PACKAGES = "a PEX file on the packages of `python3` alone"

# What the images' own project wrote of them, at a commit: bytes sent, and its MB on disk.
_INFO = "https://github.com/docker-library/repo-info/blob"
_DISTROLESS = (
    "https://github.com/GoogleContainerTools/distroless/blob/"
    "1a0eb7184fd8998a35110494bb318e4bdb32c80c/private/repos/deb/bookworm_python.yaml"
)


@dataclass(frozen=True)
class Cited:
    """A published size in MB: of an image made on `date`, written at `commit`."""

    size: str
    date: str
    commit: str

    def link(self, folder: str, tag: str) -> str:
        page = f"{_INFO}/{self.commit}/repos/python/{folder}/{tag}.md"
        return f"[{self.size}]({page}) ({self.date})"


CITED = {
    "3.11-slim-bookworm": (
        Cited("47.8", "2026-08-25", "33a22f41ac7bf613bc03380b0317536a9a7fb5e8"),
        Cited("130.0", "2026-08-13", "0212f5911e32998c4e385c115689aa1c9125c10d"),
    ),
    "3.12-slim-bookworm": (
        Cited("45.4", "2026-08-25", "33a22f41ac7bf613bc03380b0317536a9a7fb5e8"),
        Cited("124.3", "2026-08-05", "33cda30be5833831143d1c93663f1ca38d85d049"),
    ),
}


def cited() -> str:
    """The section of the page with sizes that nobody measured here."""
    lines = [table_line(["base image, amd64", "wire, MB", "disk, MB"]), table_line(["---"] * 3)]
    for tag, (wire, disk) in CITED.items():
        lines.append(
            table_line([f"`python:{tag}`", wire.link("remote", tag), disk.link("local", tag)])
        )
    lines.append(table_line(["distroless `python3-debian12`", "none found", "none found"]))
    return "\n\n".join(
        [
            "## Published sizes: cited, not measured",
            "Of the base alone, without a program, as docker-library/repo-info gives them, each "
            "with the day on which that image was made.",
            "\n".join(lines),
            "The distroless project gives no size of its Python image, and what others say of it "
            f"differs by a factor of three. It consists of [Debian's packages]({_DISTROLESS}), "
            "unpacked: of what was measured, the packages alone come nearest.",
        ]
    )


@dataclass
class Peer:
    """Sizes in bytes, times in seconds. `why_not`: why there is no tree of it here."""

    name: str
    disk: int = 0
    wire: int = 0
    files: int = 0
    byte_code: bool = False
    root: Optional[Path] = None
    why_not: Optional[str] = None
    starts: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


def cannot_make() -> str | None:
    missing = [name for name in ("gzip", "tar", "gpgv") if shutil.which(name) is None]
    return f"{', '.join(missing)} not found" if missing else None


def pex_file(scratch: Path, sources: Path, entry_point: str) -> Path:
    """A zipapp, by the locked pex in an environment of its own. Raises measure.CommandFailed."""
    venv, out = scratch / "pex-venv", scratch / PEX_FILE
    measure.run([sys.executable, "-m", "venv", str(venv)], scratch)
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    measure.run([*pip, "--no-deps", "--require-hashes", "-r", str(PEX_LOCK)], scratch)
    making = [python, "-m", "pex", f"--sources-directory={sources}", "--entry-point", entry_point]
    measure.run([*making, "--output-file", str(out)], scratch, {"PEX_IGNORE_RCFILES": "1"})
    return out


def all_peers(
    tool: Tool, scratch: Path, python: str, pex: Path, say: Callable[[str], None]
) -> list[Peer]:
    """Each made; `python` is the package of the interpreter, as `python3.11`."""
    peers: list[Peer] = []
    for name, make in ((SYSTEM, _system), (PACKAGES, _packages)):
        say(name)
        peer = Peer(name, why_not=cannot_make())
        if peer.why_not is None:
            folder = scratch / f"peer-{len(peers)}"
            folder.mkdir()
            try:
                peer.root = make(tool, folder, python)
                _measure(peer, peer.root, pex, python)
            except (CannotMeasure, measure.CommandFailed) as error:
                peer.root, peer.why_not = None, hidden(str(error), scratch)
        peers.append(peer)
    return peers


def hidden(text: str, scratch: Path) -> str:
    """Without names of mirrors, and such that it fits a cell."""
    text = re.sub(r"[a-z]+://\S+", "$MIRROR", text).replace(str(scratch), ".")
    return text.replace("|", "/").replace("\n", " ")[:200]


def _system(tool: Tool, scratch: Path, python: str) -> Path:
    why_not = cannot_debootstrap()
    if why_not is not None:
        raise CannotMeasure(why_not)
    suite, root = codename(), scratch / "root"
    mirror = Archive(tool, scratch).base_url(suite)
    measure.run([*minbase((python, "python3")), suite, str(root), mirror], scratch)
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    return root


def _packages(tool: Tool, scratch: Path, python: str) -> Path:
    archive, lock, root = Archive(tool, scratch), scratch / "python.lock", scratch / "root"
    archive.lock(codename(), [python], lock)
    packages = archive.scope(lock)
    archive.fetch(packages)
    root.mkdir()
    extract(archive.unpack(packages, scratch / "packages"), root)
    (root / "usr/bin/python3").symlink_to(python)
    return root


def _measure(peer: Peer, root: Path, pex: Path, python: str) -> None:
    shutil.copyfile(pex, root / PEX_FILE)
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    sizes = {}
    for folder, _, names in os.walk(root):
        for found in (os.lstat(os.path.join(folder, name)) for name in names):
            if stat.S_ISREG(found.st_mode):
                sizes[found.st_dev, found.st_ino] = found.st_size
    peer.disk, peer.files = sum(sizes.values()), len(sizes)
    peer.byte_code = any((root / "usr/lib" / python).glob("__pycache__/*.pyc"))
    packed = f"tar --sort=name -C {root} -c . | gzip -6 -n | wc -c"
    peer.wire = int(measure.run_and_read(["sh", "-c", packed], root)[1])


def start(peer: Peer) -> None:
    """In a new container, which has nothing of the PEX's own folder yet; and once more in it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as tmpfs:
        argv = ["bwrap", "--unshare-all", "--ro-bind", str(peer.root), "/", "--proc", "/proc"]
        argv += ["--dev", "/dev", "--bind", tmpfs, "/tmp", "--clearenv"]
        argv += ["--setenv", "PEX_ROOT", "/tmp/pex", "--", "/usr/bin/python3", f"/{PEX_FILE}"]
        for times in (peer.starts, peer.again):
            seconds, output = measure.run_and_read(argv, REPOSITORY)
            assert "ThreadingHTTPServer" in output
            times.append(seconds)


def line(peer: Peer) -> str:
    if peer.why_not is not None:
        return table_line([peer.name, "–", f"not run: {peer.why_not}", *[""] * 4])
    cells = [peer.name, "of the library" if peer.byte_code else "no", str(peer.files)]
    cells += [f"{peer.disk / 1e6:.1f}", f"{peer.wire / 1e6:.1f}"]
    starts = f"{median(peer.starts) * 1000:.0f}, again {median(peer.again) * 1000:.0f}"
    return table_line([*cells, starts, "–"])
