"""What the launcher finds on a machine, made to measure."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

#: Beside this file's tree in a sandbox as in a checkout.
LAUNCHER = Path(__file__).resolve().parents[2] / "pants"
TOOLS = "bash cat dirname env flock ls mkdir mv readlink rm sha256sum uname wc".split()
Env = Mapping[str, str]
_NONE: Env = {}
_LEFT_OUT = {"__pycache__", "idlelib", "lib2to3", "site-packages", "test", "tests", "tkinter"}


@dataclass
class Machine:
    """A user's home and environment. Pip's cache is the real one, so that tests are quick."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MINIMG_", "PANTS_", "PEX_", "UV_", "VIRTUAL_ENV"))
        }
        # Pip's cache stays that of the machine.
        real_home = os.environ.get("HOME", "/")
        real_cache = os.environ.get("XDG_CACHE_HOME") or f"{real_home}/.cache"
        inherited.setdefault("PIP_CACHE_DIR", f"{real_cache}/pip")
        inherited.setdefault("PYENV_ROOT", f"{real_home}/.pyenv")
        self.home = self.root / "home"
        self.repository = self.root / "repository"
        (self.repository / "below").mkdir(parents=True)
        (self.repository / "pants.toml").write_text("[GLOBAL]\npantsd = false\n")
        self.home.mkdir()
        self.env = {**inherited, "HOME": str(self.home), **self.env}
        self.env["XDG_CACHE_HOME"] = str(self.root / "cache")

    @property
    def cache(self) -> Path:
        return self.root / "cache" / "minimg-pants"

    def installed(self) -> Path:
        """The one folder that holds a Pants."""
        (ready,) = self.cache.glob("*/ready")
        return ready.parent

    def start(
        self, *arguments: str, launcher: Path = LAUNCHER, below: str = "", env: Env = _NONE
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(launcher), *arguments],
            cwd=self.repository / below,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, env: Env = _NONE) -> Done:
        return finish(self.start(*arguments, env=env))


@dataclass(frozen=True)
class Done:
    exit_code: int
    stdout: str
    stderr: str


def finish(process: subprocess.Popen[str]) -> Done:
    stdout, stderr = process.communicate()
    return Done(process.returncode, stdout, stderr)


def bare_path(folder: Path, *, pip: bool) -> str:
    """A PATH without CPython 3.9: with a `python3` that is another one, or with none."""
    folder.mkdir()
    for tool in TOOLS:
        real = shutil.which(tool)
        if real is not None:
            (folder / tool).symlink_to(real)
    if pip:
        python = folder / "python3"
        # It fails the launcher's question for CPython 3.9, which is the only `-I -c`.
        python.write_text(
            '#!/bin/sh\nif [ "$1 $2" = "-I -c" ]; then exit 1; fi\n'
            f'exec "{sys.base_prefix}/bin/python3.9" "$@"\n'
        )
        python.chmod(0o755)
    return str(folder)


def without_python(machine: Machine, *, pip: bool) -> Env:
    return {
        "PATH": bare_path(machine.root / "bin", pip=pip),
        "PYENV_ROOT": str(machine.root / "no-pyenv"),
        "UV_PYTHON_INSTALL_DIR": str(machine.root / "no-uv"),
    }


def python_mirror(folder: Path) -> Optional[Env]:
    """A folder that serves this interpreter as uv's distribution of CPython 3.9, and its index.

    None where uv has another name for this platform.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        return None
    release = "20990101"
    name = f"cpython-3.9.99+{release}-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
    archive = folder / release / name
    archive.parent.mkdir(parents=True)
    prefix = Path(sys.base_prefix)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in (prefix / "bin/python3.9", prefix / "lib/python3.9"):
            tar.add(path.resolve(), f"python/{path.relative_to(prefix)}", filter=_needed)
    family = {"family": machine, "variant": None}
    download = {
        "name": "cpython",
        "arch": family,
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 9,
        "patch": 99,
        "prerelease": "",
        "variant": None,
        # uv puts the mirror in the place of this page's address.
        "url": "https://github.com/astral-sh/python-build-standalone/releases/download/"
        f"{release}/{name.replace('+', '%2B')}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }
    index = folder / "downloads.json"
    index.write_text(json.dumps({f"cpython-3.9.99-linux-{machine}-gnu": download}))
    return {
        "UV_PYTHON_DOWNLOADS_JSON_URL": str(index),
        "UV_PYTHON_INSTALL_MIRROR": f"file://{folder}",
    }


def _needed(member: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
    parts = set(member.name.split("/"))
    return None if parts & _LEFT_OUT or "/config-3.9" in member.name else member
