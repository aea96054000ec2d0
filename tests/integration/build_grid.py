"""A server of the Remote Execution API on this machine (BuildGrid), and workers, for one test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import requirements

#: The streams of all actions that wait are open at once, each with a thread.
_CONFIG = """
server:
  - !channel
    address: 127.0.0.1:{port}
    insecure-mode: true
description: for a test
authorization:
  method: none
instances:
  - name: ''
    storages:
      - !disk-storage &storage
        path: {folder}/storage
    caches:
      - !lru-action-cache &cache
        storage: *storage
        max-cached-refs: 10000
        allow-updates: true
    schedulers:
      - !memory-scheduler &scheduler
        storage: *storage
    services:
      - !cas
        storage: *storage
      - !bytestream
        storage: *storage
      - !action-cache
        cache: *cache
      - !execution
        scheduler: *scheduler
        action-cache: *cache
        bot-session-keepalive-timeout: 20
thread-pool-size: 400
"""
_PATIENCE = 120.0  # seconds
_WORKER = Path(__file__).parent / "reapi/worker.py"


@dataclass
class Worker:
    process: subprocess.Popen[str]
    log: Path

    def commands(self) -> list[str]:
        """What it ran, a line each."""
        return [line for line in self.log.read_text().splitlines() if line.startswith("run ")]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Server:
    folder: Path
    port: int
    workers: list[Worker] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def add_worker(self, prefix: Sequence[str] = ()) -> Worker:
        """Takes one action at a time. `prefix` runs each command."""
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        log = self.folder / f"worker{len(self.workers)}"
        python = Path(os.path.realpath(_server())).parent / "python"
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(python), str(_WORKER), f"127.0.0.1:{self.port}", str(cache), *prefix],
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        _until(lambda: "ready" in log.read_text(), log)
        return worker


def _server() -> str:
    return requirements.program("bgd")


def _until(done, log: Path) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    program, port = _server(), _free_port()
    (folder / "storage").mkdir(parents=True)
    (folder / "server.yml").write_text(_CONFIG.format(port=port, folder=folder))
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [program, "server", "start", str(folder / "server.yml")],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(folder, port)
    try:
        _until(lambda: _answers(port) or process.poll() is not None, log)
        assert process.poll() is None, log.read_text()[-2000:]
        yield server
    finally:
        for worker in server.workers:
            worker.kill()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
