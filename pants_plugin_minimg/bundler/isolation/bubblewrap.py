"""Runs commands by bubblewrap: namespaces of their own, and the tree as the only file system.

The kernel's own permissions hold: as root, bubblewrap itself is started as the user that the image
names, so that a file of another user is one.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from pants_plugin_minimg.bundler.isolation import tracing
from pants_plugin_minimg.bundler.isolation.command import Command, Outcome, Unusable
from pants_plugin_minimg.bundler.isolation.http import Asker
from pants_plugin_minimg.bundler.isolation.memory import Watcher
from pants_plugin_minimg.bundler.isolation.watching import Ended, alive, watch

_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session")
_PROBE_TIME = 20
_PATH = "/usr/bin:/bin"
#: In its namespaces the first process is its own, and the command is below that.
_OWN = 1


def check(program: str, identity: tuple[int, int] | None = None) -> None:
    """Whether it can make what a command needs. Raises Unusable with the reason."""
    argv = [program, *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    argv += [] if identity else ["--uid", "0", "--gid", "0"] if os.getuid() else []
    as_user: dict[str, Any] = {}
    if identity is not None:
        as_user = {"user": identity[0], "group": identity[1], "extra_groups": []}
    try:
        done = subprocess.run(
            [*argv, "true"],
            capture_output=True,
            timeout=_PROBE_TIME,
            check=False,
            env={"PATH": _PATH},
            **as_user,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"bubblewrap does not run: {error}") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Unusable(f"bubblewrap does not work here: {said[-1] if said else done.returncode}")


class Bubblewrap:
    """`root` is a folder with the tree, which all users can pass to, `strace` what traces."""

    name = "bubblewrap"

    def __init__(self, program: str, root: str, strace: str | None = None) -> None:
        self._program, self._root, self._strace = program, os.path.abspath(root), strace

    def run(self, command: Command) -> Outcome:
        """Raises Unusable and OSError."""
        identity = (command.uid, command.gid) if os.getuid() == 0 else None
        check(self._program, identity)
        read, write = os.pipe()
        argv = self._tracer(command)
        argv += [self._program, *_NAMESPACES, *self._tree(command), "--info-fd", str(write)]
        if identity is None:
            argv += ["--uid", str(command.uid), "--gid", str(command.gid)]
        argv += [
            "--clearenv",
            *(word for pair in command.env.items() for word in ("--setenv", *pair)),
        ]
        argv += ["--chdir", command.cwd, "--", *command.argv]
        watcher = Watcher(_OWN, self._program)
        first = _First(read, watcher, None if command.http is None else Asker(command.http))
        try:
            ended = watch(
                argv,
                command.stdin,
                command.timeout,
                {"PATH": command.env.get("PATH", _PATH)},
                pass_fds=(write,),
                identity=identity,
                until=first.look,
                left=first.alive,
            )
        finally:
            os.close(read)
            os.close(write)
        return Outcome(
            _told(ended),
            ended.stdout,
            ended.stderr,
            ended.seconds,
            watcher.peak,
            ended.timed_out,
            None if first.asker is None else first.asker.answer,
        )

    def _tracer(self, command: Command) -> list[str]:
        if command.trace is None:
            return []
        if self._strace is None:
            raise Unusable("there is no strace, which `trace` takes")
        with open(command.trace, "wb"):
            os.chmod(command.trace, 0o666)  # whoever runs the command writes it
        return [self._strace, *tracing.OPTIONS, "-o", os.path.abspath(command.trace)]

    def _tree(self, command: Command) -> list[str]:
        argv = ["--ro-bind" if command.read_only else "--bind", self._root, "/"]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        for path, source in command.mounts.items():
            argv += ["--ro-bind", os.path.abspath(source), path]
        return argv


def _told(ended: Ended) -> int | None:
    """The command's status. Bubblewrap has no status of its own, but begins with its name."""
    if ended.status == 1 and ended.stderr.startswith(b"bwrap: ") and not ended.stdout:
        said = ended.stderr.decode("utf-8", "replace").strip()
        if not said.startswith("bwrap: execvp "):
            raise Unusable(f"bubblewrap cannot make the tree: {said}")
        return 127  # as a shell and docker have it
    return ended.status


class _First:
    """The first process of the namespaces, as soon as bubblewrap tells which it is."""

    def __init__(self, info: int, watcher: Watcher, asker: Asker | None) -> None:
        self.asker = asker
        self._info, self._watcher = info, watcher
        self._pid: int | None = None
        os.set_blocking(info, False)
        self._said = b""

    def look(self) -> bool:
        """Whether a service has answered, so that it can be stopped."""
        pid = self._known()
        if pid is None:
            return False
        self._watcher.look(pid)
        if self.asker is None:
            return False
        self.asker.pid = pid
        return self.asker.ask()

    def alive(self) -> bool:
        """Whether anything runs in the namespaces, which may be after bubblewrap's own end."""
        pid = self._known()
        return pid is not None and alive(pid)

    def _known(self) -> int | None:
        if self._pid is None:
            try:
                self._said += os.read(self._info, 4096)
                self._pid = int(json.loads(self._said)["child-pid"])
            except (BlockingIOError, ValueError, LookupError):
                pass
        return self._pid
