"""A small signed archive, made in the test and served by a local HTTP server."""

from __future__ import annotations

import hashlib
import http.server
import lzma
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.requirements import program

DATE = "Sat, 08 Nov 2025 10:15:00 UTC"


@dataclass(frozen=True)
class Key:
    """A throw-away key of gpg: its home, its keyring as a file, the same in ASCII armor."""

    home: str
    ring: str
    armor: str

    def sign(self, content: str, *options: str) -> bytes:
        command = ["--clearsign", "--digest-algo", "SHA256", *options]
        return _gpg(self.home, *command, content=content.encode())


def key(folder: Path, name: str = "archive", *options: str, expires: str = "never") -> Key:
    """Skips the test where there is no gpg or no gpgv."""
    program("gpgv")
    # The agent's socket has a short limit of its own, which pytest's folders may pass.
    home = tempfile.mkdtemp(prefix="gpg")
    try:
        _gpg(home, *options, "--quick-generate-key", name, "ed25519", "sign", expires)
        ring, armor = folder / f"{name}.gpg", folder / f"{name}.asc"
        ring.write_bytes(_gpg(home, "--export"))
        armor.write_bytes(_gpg(home, "--armor", "--export"))
    except BaseException:
        forget(home)
        raise
    return Key(home, str(ring), str(armor))


def forget(home: str) -> None:
    """Ends the agent of a key's home and removes the home."""
    subprocess.run(
        ["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True
    )
    shutil.rmtree(home, ignore_errors=True)


def _gpg(home: str, *arguments: str, content: bytes = b"") -> bytes:
    command = [program("gpg"), "--homedir", home, "--batch", "--quiet", "--no-tty"]
    command += ["--pinentry-mode", "loopback", "--passphrase", "", *arguments]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    return done.stdout


def stanza(name: str, version: str = "1.0", architecture: str = "amd64", **fields: str) -> str:
    """One package of an index; `Pre_Depends=` and the like are fields with a hyphen."""
    path = f"pool/main/{name[0]}/{name}/{name}_{version.partition(':')[2] or version}"
    known = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        "Filename": f"{path}_{architecture}.deb",
        "Size": "1000",
        "Installed-Size": "10",
        "SHA256": hashlib.sha256(f"{name} {version} {architecture}".encode()).hexdigest(),
    }
    known.update({key.replace("_", "-"): value for key, value in fields.items()})
    return "".join(f"{key}: {value}\n" for key, value in known.items() if value)


def index(*stanzas: str) -> bytes:
    return "\n".join(stanzas).encode()


def release(files: Mapping[str, bytes], suite: str = "bookworm", **fields: str) -> str:
    """The text of a Release file over files below `dists/SUITE`. An empty field is left out."""
    known = {
        "Origin": "Debian",
        "Suite": "stable",
        "Codename": suite,
        "Date": DATE,
        "Acquire-By-Hash": "yes",
        "Architectures": "amd64 arm64",
        "Components": "main",
    }
    known.update({key.replace("_", "-"): value for key, value in fields.items()})
    out = "".join(f"{key}: {value}\n" for key, value in known.items() if value)
    lines = (
        f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}\n"
        for path, content in sorted(files.items())
    )
    return f"{out}SHA256:\n{''.join(lines)}"


def packed(indexes: Mapping[str, bytes], component: str = "main") -> dict[str, bytes]:
    """Architecture -> index, as the files of a suite: plain and xz."""
    out = {}
    for architecture, content in indexes.items():
        path = f"{component}/binary-{architecture}/Packages"
        out[path] = content
        out[f"{path}.xz"] = lzma.compress(content)
    return out


def suite(
    signer: Key, indexes: Mapping[str, bytes], name: str = "bookworm", **fields: str
) -> Files:
    """All files of a suite, signed."""
    files = packed(indexes)
    out = {f"dists/{name}/{path}": content for path, content in files.items()}
    for path, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        out[f"dists/{name}/{os.path.dirname(path)}/by-hash/SHA256/{digest}"] = content
    out[f"dists/{name}/InRelease"] = signer.sign(release(files, name, **fields))
    return out


Files = dict[str, bytes]


@dataclass
class Server:
    """`files` by path below `base`. `odd`: path -> statuses to answer first, or a way to fail.

    `asked` has every path that came.
    """

    base: str = ""
    files: Files = field(default_factory=dict)
    odd: dict[str, list[object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def write(self, folder: Path, paths: Sequence[str] = ()) -> None:
        """The same files in a folder, for a file URL."""
        for path in paths or self.files:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.files[path])


@contextmanager
def serving(files: Files | None = None) -> Iterator[Server]:
    state = Server(files=dict(files or {}))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            state.asked.append(path)
            left = state.odd.get(path)
            odd = left.pop(0) if left else None
            content = state.files.get(path)
            if isinstance(odd, str) and "://" in odd:
                self.send_response(302)
                self.send_header("Location", odd)
                self.end_headers()
            elif isinstance(odd, int) or content is None:
                self.send_error(odd if isinstance(odd, int) else 404)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self._body(content, odd)

        def _body(self, content: bytes, odd: object) -> None:
            if odd == "cut":
                self.wfile.write(content[: len(content) // 2])
            elif odd == "changed":
                self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))
            elif odd == "stuck":
                time.sleep(1)
            elif odd == "slow":
                try:
                    for byte in content:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.05)
                except OSError:
                    pass
            else:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
