"""A child process under a limit of time and of output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler.isolation.command import MAX_OUTPUT

_PIECE = 1 << 16
#: How often `until` and `left` are asked, in seconds.
_LOOK = 0.002
#: How long what was killed is waited for, in seconds: the kernel may have to end much.
DYING = 20.0


@dataclass(frozen=True)
class Ended:
    """As Outcome has it."""

    status: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool


class _Buffer:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.parts: list[bytes] = []
        self._left = MAX_OUTPUT

    def read(self) -> bool:
        """Whether there may be more; what exceeds the limit is dropped."""
        data = os.read(self.descriptor, _PIECE)
        self.parts.append(data[: self._left])
        self._left -= len(self.parts[-1])
        return bool(data)


def watch(
    argv: Sequence[str],
    stdin: bytes,
    timeout: float,
    env: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    identity: tuple[int, int] | None = None,
    until: Callable[[], bool] = lambda: False,
    left: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run `argv` until it ends, `until` says that it may be stopped, or the time is up.

    It is killed with its process group then, as it is when this is interrupted. `left` says whether
    something of it outlives it: that is waited for. `identity`: uid and gid to start it with.
    Raises OSError when it cannot be started.
    """
    began = time.monotonic()
    as_user: dict[str, Any] = {}
    if identity is not None:
        as_user = {"user": identity[0], "group": identity[1], "extra_groups": []}
    # A file, not a pipe: a command that reads nothing must not block the writer.
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            list(argv),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            **as_user,
        )
    assert process.stdout is not None and process.stderr is not None
    out, errors = _Buffer(process.stdout.fileno()), _Buffer(process.stderr.fileno())
    stopped = "interrupted"
    try:
        stopped = _follow(process, (out, errors), began + timeout, until)
    finally:
        if stopped:
            _kill(process.pid)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0  # it is waited for: subprocess need not
        seconds = time.monotonic() - began
        for stream in (process.stdout, process.stderr):
            stream.close()
        dead = time.monotonic() + DYING
        while left() and time.monotonic() < dead:
            time.sleep(_LOOK)
    return Ended(
        None if stopped else _shell_status(status),
        b"".join(out.parts),
        b"".join(errors.parts),
        seconds,
        stopped == "time",
    )


def _follow(
    process: subprocess.Popen[bytes],
    buffers: Sequence[_Buffer],
    deadline: float,
    until: Callable[[], bool],
) -> str:
    """Read until both streams end: "" then, or why the process is to be stopped."""
    with selectors.DefaultSelector() as selector:
        for buffer in buffers:
            selector.register(buffer.descriptor, selectors.EVENT_READ, buffer)
        while selector.get_map():
            if time.monotonic() > deadline:
                return "time"
            if until():
                return "done"
            for key, _ in selector.select(_LOOK):
                if not key.data.read():
                    selector.unregister(key.fd)
        # Closed streams do not mean that it ended.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                return "time"
            if until():
                return "done"
            time.sleep(_LOOK)
    return ""


def _kill(pid: int) -> None:
    for group in (True, False):
        try:
            (os.killpg if group else os.kill)(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def alive(pid: int) -> bool:
    """Whether a process has not ended yet. The first of a PID namespace ends after all others."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in b"ZX"
    except OSError:
        return False


def _shell_status(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
