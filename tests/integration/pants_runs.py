"""Runs the repository's own `./pants` in a throw-away repository, and says which processes ran."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

_RAN = re.compile(r"Running (.*) under semaphore with concurrency id")

_STEPS = {
    "Find what": "plan",
    "Pack ": "pack",
    "Write layer": "layer",
    "Write the image": "image",
}


def source_root() -> Path:
    """The checkout under test, or its copy in a sandbox."""
    named = os.environ.get("MINIMG_REPO")
    return Path(named) if named else Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def processes(self) -> list[str]:
        """Descriptions of the processes that were executed, not served from a cache."""
        return _RAN.findall(self.stderr)

    def ours(self) -> list[str]:
        """The plugin's own steps among them, such as "plan" or "layer"."""
        return sorted(
            step
            for process in self.processes
            for beginning, step in _STEPS.items()
            if process.startswith(beginning)
        )

    def succeeded(self) -> Run:
        lines = [line for line in self.stderr.splitlines() if "[DEBUG]" not in line]
        assert self.exit_code == 0, "\n".join([self.stdout, *lines])
        return self


@dataclass
class Repository:
    """A Pants root that loads the plugin from the source tree. `prefix` runs each command.

    `options` are further lines of its pants.toml.
    """

    root: Path
    prefix: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    backends: tuple[str, ...] = ("pants.backend.shell",)
    options: str = ""

    def __post_init__(self) -> None:
        backends = ", ".join(f'"{name}"' for name in (*self.backends, "pants_plugin_minimg"))
        self.write(
            "pants.toml",
            f"""
            [GLOBAL]
            pythonpath = ["{source_root()}"]
            backend_packages = [{backends}]
            pantsd = false
            """,
        )
        with (self.root / "pants.toml").open("a") as file:
            file.write(textwrap.dedent(self.options))

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content))
        file.chmod(mode)
        return file

    def pants(self, *arguments: str, level: str = "debug") -> Run:
        """At level "debug" the log names the processes that ran."""
        command = [*self.prefix, str(source_root() / "pants"), f"--level={level}", *arguments]
        # A Pants that runs this test hands its own options to its children by these variables.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PANTS_", "PEX_"))}
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**inherited, **self.env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def stop_daemon(self) -> None:
        """Ends its pantsd, if there is one, and waits for that."""
        for file in self.root.glob(".pids/**/pantsd/pid"):
            try:
                pid = int(file.read_text())
                os.kill(pid, signal.SIGTERM)
            except (OSError, ValueError):
                continue
            for _ in range(100):
                if not Path("/proc", str(pid)).exists():
                    break
                time.sleep(0.1)

    def dist(self, path: str) -> Path:
        return self.root / "dist" / path
