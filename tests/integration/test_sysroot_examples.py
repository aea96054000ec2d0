"""The examples that come from packages: a TLS client, an interpreter, another architecture."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository, source_root

TARGETS = ("//certificates:image", "//python:image", "//sysroots:git_arm64")
BUILD = """
minimal_docker_image(
    name="git_arm64",
    sysroot=":bookworm",
    packages=["git"],
    architecture="arm64",
    executables=["/usr/bin/git"],
)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    requirements.debian_mirror("bookworm")
    root = tmp_path_factory.mktemp("examples") / "examples"
    shutil.copytree(
        source_root() / "examples", root, ignore=shutil.ignore_patterns("dist", ".pants.d", ".pids")
    )
    with (root / "sysroots/BUILD").open("a") as file:
        file.write(BUILD)
    repository = Repository(root)
    repository.pants("package", *TARGETS).succeeded()
    return repository


def _load(tar: Path) -> None:
    subprocess.run([requirements.docker(), "load", "-i", str(tar)], check=True, capture_output=True)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [requirements.docker(), "run", "--rm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page over TLS\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A TLS server on loopback; its port, and its certificate, which nobody has signed."""
    openssl = requirements.program("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    listening = HTTPServer(("127.0.0.1", 0), _Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield listening.server_port, certificate
    listening.shutdown()


def test_a_client_trusts_the_certificates_of_the_preset_and_no_others(
    built: Repository, server: tuple[int, Path], tmp_path: Path
) -> None:
    port, certificate = server
    _load(built.dist("certificates/image.tar"))
    url = f"https://localhost:{port}/"
    refused = _run("--network=host", "example-curl", "-sS", url)
    # 60: the peer's certificate is not signed by one that is trusted. Without a bundle it is 77.
    assert refused.returncode == 60, refused.stderr

    # The bundle of the preset with one more in it is read from the same place.
    image = images.read(built.dist("certificates/image.tar"))
    bundle = tmp_path.parent / "bundle.crt"
    bundle.write_bytes(
        image.contents["etc/ssl/certs/ca-certificates.crt"] + certificate.read_bytes()
    )
    bundle.chmod(0o644)
    mounted = f"{bundle}:/etc/ssl/certs/ca-certificates.crt:ro"
    fetched = _run("--network=host", "-v", mounted, "example-curl", "-sS", url)
    assert (fetched.returncode, fetched.stdout) == (0, "a page over TLS\n"), fetched.stderr


def test_an_interpreter_runs_a_script_on_a_read_only_root(built: Repository) -> None:
    _load(built.dist("python/image.tar"))
    done = _run("--read-only", "example-python", "12")
    assert (done.returncode, done.stdout) == (0, "[2, 3, 5, 7, 11] ffa6ebd0\n"), done.stderr


def test_images_of_a_sysroot_share_the_layer_of_the_c_library(built: Repository) -> None:
    first = [
        images.read(built.dist(f"{name}/image.tar")).manifest["layers"][0]["digest"]
        for name in ("certificates", "python")
    ]
    assert first[0] == first[1]


def test_an_image_for_another_architecture_runs_with_nothing_but_its_own_files(
    built: Repository, tmp_path: Path
) -> None:
    tar = built.dist("sysroots/git_arm64.tar")
    assert images.read(tar).config["architecture"] == "arm64"
    emulator = requirements.program("qemu-aarch64-static")
    chroot = requirements.working(["chroot", "/", "/bin/true"])
    root = tmp_path / "root"
    (root / "dev").mkdir(parents=True)
    with_docker = json.loads(subprocess.check_output(["tar", "-xOf", tar, "manifest.json"]))
    for layer in with_docker[0]["Layers"]:
        blob = subprocess.check_output(["tar", "-xOf", tar, layer])
        subprocess.run(["tar", "-xz", "-C", root], input=blob, check=True)
    (root / "dev/null").write_bytes(b"")  # git wants one; a container has it
    shutil.copy(emulator, root / "emulator")
    done = subprocess.run(
        [chroot, root, "/emulator", "/usr/bin/git", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("git version 2.39"), done.stderr
