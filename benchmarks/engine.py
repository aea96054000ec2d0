"""The container engine: loads the results and tries whether they start."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Loaded:
    """An image in the engine, and what it took to bring it there."""

    reference: str
    how: str


class Engine:
    """`docker`, or what answers as it does."""

    def __init__(self, program: str) -> None:
        self.program = program

    def version(self) -> str | None:
        """The server's version, None when there is no server."""
        done = self._call(["version", "--format", "{{.Server.Version}}"])
        return done.stdout.strip() if done and done.returncode == 0 else None

    def load(self, archive: Path, tag: str) -> Loaded | None:
        """Loads an archive: by `load`, else by skopeo, which reads any OCI archive."""
        done = self._call(["load", "-i", str(archive)])
        if done is not None and done.returncode == 0:
            named = re.findall(r"Loaded image(?: ID)?: (\S+)", done.stdout)
            if named:
                return Loaded(named[-1], f"{self.program} load")
        skopeo = shutil.which("skopeo")
        if skopeo:
            copy = [skopeo, "copy", f"oci-archive:{archive}", f"docker-daemon:{tag}"]
            if subprocess.run(copy, capture_output=True, check=False).returncode == 0:
                return Loaded(tag, "skopeo")
        return None

    def save(self, reference: str, archive: Path) -> None:
        subprocess.run([self.program, "save", "-o", str(archive), reference], check=True)

    def forget(self, reference: str) -> None:
        self._call(["image", "rm", "-f", reference])

    def prune(self, label: str) -> None:
        """Removes images without a name that carry the label."""
        self._call(["image", "prune", "--force", "--filter", f"label={label}"])

    def inspect(self, reference: str, what: str) -> str | None:
        done = self._call(["image", "inspect", "-f", "{{." + what + "}}", reference])
        return done.stdout.strip() if done and done.returncode == 0 else None

    def starts(self, reference: str, program: str) -> str | None:
        """None when `program --version` runs in the image, else the engine's words."""
        done = self._call(
            ["run", "--rm", "--network", "none", "--entrypoint", program, reference, "--version"]
        )
        if done is None:
            return f"{self.program} cannot be run"
        if done.returncode == 0 and done.stdout.strip():
            return None
        words = (done.stderr.strip() or f"status {done.returncode}").splitlines()[0]
        return words[-160:]

    def _call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
        try:
            return subprocess.run(
                [self.program, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            return None
