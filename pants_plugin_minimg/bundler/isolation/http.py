"""Asks a service in a network namespace of its own, from inside that namespace.

setns(2), ioctl_ns(2): a process may join the user namespace that its child made, and its network.
"""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import json
import os
import signal
from base64 import b64decode, b64encode

from pants_plugin_minimg.bundler.isolation.command import Answer, Http

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NS_GET_USERNS = 0xB701  # ioctl_ns(2)
_BODY = 1 << 20
_EACH = 2.0  # seconds for one try


class Asker:
    """One question, asked again until it is answered."""

    def __init__(self, question: Http, pid: int | None = None, address: str = "127.0.0.1") -> None:
        """`pid`: a process in the namespaces to ask in; None: this one's."""
        self.question, self.pid, self.address = question, pid, address
        self.answer = Answer(None, b"it was never asked")

    def ask(self) -> bool:
        """Whether there is an answer now."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover (in another process)
            os.close(read)
            self._ask_in_child(write)
        os.close(write)
        with os.fdopen(read, "rb") as file:
            raw = file.read()
        os.waitpid(child, 0)
        try:
            status, body = json.loads(raw)
            self.answer = Answer(status, b64decode(body))
        except ValueError:
            self.answer = Answer(None, b"asking failed")
        return self.answer.status is not None

    def _ask_in_child(self, write: int) -> None:
        signal.alarm(int(_EACH * 3))
        try:
            if self.pid is not None:
                _join(self.pid)
            connection = http.client.HTTPConnection(self.address, self.question.port, timeout=_EACH)
            connection.request("GET", self.question.path)
            response = connection.getresponse()
            told = (response.status, response.read(_BODY))
        except (OSError, http.client.HTTPException) as error:
            told = (None, str(error).encode())  # type: ignore[assignment]
        with os.fdopen(write, "w") as file:
            json.dump((told[0], b64encode(told[1]).decode()), file)
        os._exit(0)


def _join(pid: int) -> None:
    """The network of a process: root may at once, others as the owner of its user namespace.

    Raises OSError.
    """
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if os.getuid() != 0:
        # Not the process's own: bubblewrap nests another one in that which owns the network.
        _enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
    _enter(network, _CLONE_NEWNET)


def _enter(namespace: int, kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, kind) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)} (joining the network of the service)")
