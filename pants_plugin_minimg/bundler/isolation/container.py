"""Runs commands by docker or podman, in an image that is loaded for it and removed again."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import uuid

from pants_plugin_minimg.bundler.isolation.command import Command, Outcome, Unusable
from pants_plugin_minimg.bundler.isolation.http import Asker
from pants_plugin_minimg.bundler.isolation.watching import DYING, watch

_PROBE_TIME = 60


def check(program: str) -> None:
    """Whether the engine answers. Raises Unusable."""
    name = os.path.basename(program)
    try:
        done = subprocess.run(
            [program, "info"], capture_output=True, timeout=_PROBE_TIME, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{name} does not run: {error}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Unusable(f"{name} does not answer: {said[-1] if said else done.returncode}")


class Container:
    """`root` is a folder with the tree, which the engine imports as an image of its own."""

    def __init__(self, program: str, root: str) -> None:
        self.name = os.path.basename(program)
        self._program, self._root = program, root
        self._image = f"minimg-trial-{uuid.uuid4().hex}"

    def __enter__(self) -> Container:
        with tempfile.NamedTemporaryFile(suffix=".tar") as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(self._root, ".")
            packed.flush()
            done = subprocess.run(
                [self._program, "import", packed.name, self._image],
                capture_output=True,
                check=False,
            )
        if done.returncode != 0:
            raise Unusable(f"{self.name} does not take the tree: {_said(done.stderr)}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            [self._program, "image", "rm", "--force", self._image],
            capture_output=True,
            check=False,
        )

    def run(self, command: Command) -> Outcome:
        """Raises Unusable and OSError."""
        if command.trace is not None:
            raise Unusable(f"{self.name} cannot trace: that takes bubblewrap and strace")
        container = f"{self._image}-{uuid.uuid4().hex[:8]}"
        argv = [self._program, "run", "--rm", "-i", "--pull=never", f"--name={container}"]
        if self.name == "docker":
            argv.append("--init")  # the first process of a container ignores most signals
        argv += [f"--user={command.uid}:{command.gid}", f"--workdir={command.cwd}"]
        argv += [f"--env={name}={value}" for name, value in command.env.items()]
        argv += ["--read-only"] if command.read_only else []
        argv += ["--entrypoint", command.argv[0]]
        for path, source in command.mounts.items():
            argv += ["--mount", f"type=bind,src={os.path.abspath(source)},dst={path},readonly"]
        service = None
        if command.http is None:
            argv += ["--network=none"]
        else:
            argv += ["-p", f"127.0.0.1::{command.http.port}"]
            service = _Service(self._program, container, command)
        ended = None
        try:
            ended = watch(
                [*argv, self._image, *command.argv[1:]],
                command.stdin,
                command.timeout,
                dict(os.environ),
                until=(lambda: False) if service is None else service.answered,
            )
        finally:
            if ended is None or ended.status is None:
                self._stop(container)
        if ended.status == 125:  # the engine's own
            raise Unusable(f"{self.name} does not run the command: {_said(ended.stderr)}")
        return Outcome(
            ended.status,
            ended.stdout,
            ended.stderr,
            ended.seconds,
            None,
            ended.timed_out,
            None if service is None else service.asker.answer,
        )

    def _stop(self, container: str) -> None:
        """What was killed so far is the client. Podman's `kill` does not wait, docker's does."""
        for word in ("kill", "wait"):
            try:
                subprocess.run(
                    [self._program, word, container],
                    capture_output=True,
                    timeout=DYING,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                continue


class _Service:
    """Asked at the port of this machine that the engine gave it."""

    def __init__(self, program: str, container: str, command: Command) -> None:
        assert command.http is not None
        self._program, self._container = program, container
        self._port = command.http.port
        self.asker = Asker(command.http)
        self._known = False

    def answered(self) -> bool:
        if not self._known:
            done = subprocess.run(
                [self._program, "port", self._container, f"{self._port}/tcp"],
                capture_output=True,
                check=False,
            )
            host, _, port = done.stdout.decode().partition("\n")[0].rpartition(":")
            if done.returncode != 0 or not port.isdigit():
                return False
            question = type(self.asker.question)(int(port), self.asker.question.path)
            self.asker = Asker(question, address=host)
            self._known = True
        return self.asker.ask()


def _said(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it does not say why"
