"""The bundler without Pants: an environment from its own lock, its commands run by hand, and the
sandbox tool as the rules make it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measure

PLUGIN = Path("pants_plugin_minimg")
LOCK = PLUGIN / "subsystems/bundler.lock"
BUNDLER = "pants_plugin_minimg.bundler"
CHILD = "benchmarks.sysroot_child"


class Tool:
    """Runs commands of the bundler of `repository`. `python` has what it imports; None: a new
    environment below `scratch`, by pip from the bundler's lock."""

    def __init__(self, repository: Path, scratch: Path, python: str | None) -> None:
        self.repository = repository
        self.scratch = scratch
        self.python = python or self._environment(scratch / "bundler-venv")
        self._env = {"PYTHONPATH": str(repository), "PYTHONHASHSEED": "0", "LC_ALL": "C"}

    def _environment(self, folder: Path) -> str:
        measure.run([sys.executable, "-m", "venv", str(folder)], self.scratch)
        python = str(folder / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        lock = str(self.repository / LOCK)
        measure.run([*pip, "--no-deps", "--require-hashes", "-r", lock], self.scratch)
        return python

    def built(self) -> list[str]:
        """The command of the sandbox tool, made as `subsystems/bundler.py` makes it: what pex would
        put into a loose PEX is put there by pip."""
        pex, tree = self.scratch / "bundler.pex", self.scratch / "bundler-tree"
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        lock = str(self.repository / LOCK)
        target = ["--target", str(pex / ".deps/all"), "--no-compile"]
        measure.run([*pip, "--no-deps", "--require-hashes", *target, "-r", lock], self.scratch)
        own = pex / PLUGIN
        shutil.copytree(
            self.repository / PLUGIN / "bundler",
            own / "bundler",
            ignore=shutil.ignore_patterns("__pycache__", "BUILD"),
        )
        (own / "__init__.py").touch()
        program = (self.repository / PLUGIN / "subsystems/compilation.py").read_text()
        measure.run([self.python, "-s", "-S", "-c", program, str(pex), str(tree)], self.scratch)
        return [self.python, "-s", "-S", "-B", str(tree / "__main__.pyc")]

    def call(self, *arguments: str) -> None:
        """One command of the bundler. Raises measure.CommandFailed."""
        measure.run([self.python, "-m", BUNDLER, *arguments], self.repository, self._env)

    def child(self, command: str, request: Any) -> dict[str, Any]:
        """What a command of sysroot_child.py says of `request`, `seconds` (of the process as a
        whole) among it. Raises measure.CommandFailed."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            asked, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
            asked.write_text(json.dumps(request))
            seconds = measure.run(
                [self.python, "-m", CHILD, command, str(asked), str(answer)],
                self.repository,
                self._env,
            )
            return {**json.loads(answer.read_text()), "seconds": seconds}
