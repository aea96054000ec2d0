"""What is run in a tree, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: What is kept of each stream of output, in bytes.
MAX_OUTPUT = 16 << 20


class Unusable(Exception):
    """Why nothing can be run here, as one line."""


@dataclass(frozen=True)
class Http:
    """A question to a service that listens on `port` in the tree's own network."""

    port: int
    path: str


@dataclass(frozen=True)
class Answer:
    """What the service said: `status` is None when it never did, and `body` the last error."""

    status: int | None
    body: bytes


@dataclass(frozen=True)
class Command:
    """`argv[0]` is a path in the tree, or a name to be found by `env`'s PATH.

    `timeout` is in seconds. `mounts`: path in the tree -> folder or file of this machine, which
    nothing can be written to. With `http` the command is a service, which is stopped after it
    answered. `trace` is a file of this machine that strace(1) writes to what the command asks the
    kernel for by path.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    stdin: bytes = b""
    timeout: float = 60.0
    read_only: bool = False
    mounts: Mapping[str, str] = field(default_factory=dict)
    http: Http | None = None
    trace: str | None = None


@dataclass(frozen=True)
class Outcome:
    """`status` is 128 and the number for a signal, as in a shell, and None for what was stopped.

    `seconds` is from start to end; `peak` the most memory of one process in bytes, where it is
    known.
    """

    status: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    peak: int | None = None
    timed_out: bool = False
    answer: Answer | None = None


class Isolation(Protocol):
    """`name` is what users know it by."""

    name: str

    def run(self, command: Command) -> Outcome:
        """Raises OSError, and Unusable where the means itself fails."""
