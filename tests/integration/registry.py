"""A registry of Debian's `docker-registry` with TLS and a password, made for one test run."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import requirements

USER, PASSWORD = "publisher", "right-horse-9"
#: Of PASSWORD, by bcrypt.
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuu.oo5E77KbUbqVVuuSnySjt1y2Bqv76i\n"
_CONFIG = """
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: {folder}/data
http:
  addr: 127.0.0.1:0
  tls:
    certificate: {authority}/server.pem
    key: {authority}/server.key
auth:
  htpasswd:
    realm: test
    path: {folder}/htpasswd
"""
_UPLOAD = re.compile(r'"(?:POST|PATCH) /v2/[^ ]*/blobs/uploads/')
_PATIENCE = 60.0  # seconds


def authority(folder: Path) -> Path:
    """A throw-away authority and a server's certificate; `bundle.pem` trusts it and all others."""
    openssl = requirements.program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    folder.mkdir()
    new_key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    run("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA")
    run("req", *new_key[:-2], "-keyout", "server.key", "-out", "request.pem", "-subj", "/CN=test")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    run("x509", "-req", "-in", "request.pem", *signing, "-extfile", "names", "-out", "server.pem")
    trusted = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    others = trusted.read_text() if trusted.exists() else ""
    (folder / "bundle.pem").write_text(others + (folder / "ca.pem").read_text())
    return folder


@dataclass
class Registry:
    """`address` is its host and port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def uploads(self) -> int:
        """How many requests have brought bytes of blobs, since it was started."""
        return len(_UPLOAD.findall(self.log()))


@contextmanager
def running(folder: Path, authority: Path) -> Iterator[Registry]:
    program = requirements.program("docker-registry")
    folder.mkdir()
    (folder / "htpasswd").write_text(_HTPASSWD)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder, authority=authority))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log)
    try:
        yield Registry(folder, _port(folder / "log", process), process)
    finally:
        process.kill()
        process.wait()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that the system gave it, which it logs once it listens."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"listening on 127\.0\.0\.1:(\d+), tls", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"docker-registry does not listen:\n{log.read_text()}")


def credentials(folder: Path, address: str, password: str = PASSWORD) -> Path:
    """A folder for DOCKER_CONFIG, as `docker login` leaves it."""
    folder.mkdir()
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))
    return folder


@contextmanager
def cut_off(port: int, after: int) -> Iterator[int]:
    """A port that leads to `port` and is dead, for good, once it has passed `after` bytes on."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []
    left = [after]
    lock = threading.Lock()

    def close_all() -> None:
        for end in (listener, *ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is not connected any more
            end.close()

    def pump(source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while chunk := source.recv(1 << 14):
                with lock:
                    left[0] -= len(chunk) if counted else 0
                    if left[0] < 0:
                        close_all()
                        return
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut off

    def serve() -> None:
        try:
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                ends.extend((client, server))
                for way in ((client, server, True), (server, client, False)):
                    threading.Thread(target=pump, args=way, daemon=True).start()
        except OSError:
            pass  # cut off

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with lock:
            close_all()
