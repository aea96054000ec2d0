"""The tar as engines and tools read it. Each is tried where a probe shows that it works."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bundler.images import (
    GREETING,
    directory,
    file,
    hard_link,
    hello_program,
    image,
    link,
    put,
    with_parents,
)
from tests.requirements import docker, unavailable, working

ODD_NAME = b"/odd/not-utf8-\xff"
LONG_NAME = b"/odd/" + b"/".join([b"n" * 100] * 3)
CONTAINERD = ("/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock")


@dataclass(frozen=True)
class Made:
    tar: Path
    layout: Path
    info: dict[str, Any]
    repository: str

    @property
    def digest(self) -> str:
        return str(self.info["manifests"][0]["digest"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    tmp = tmp_path_factory.mktemp("engines")
    program, text = put(tmp / "blobs", hello_program()), put(tmp / "blobs", b"text\n")
    entries = [
        file(b"/usr/bin/hello", program, 0o755),
        link(b"/bin", b"usr/bin"),
        directory(b"/data", 0o750, uid=65532, gid=65532),
        file(b"/z/file", text, 0o640, uid=7, gid=8),
        hard_link(b"/a/hard", b"/z/file"),
        file(ODD_NAME, text),
        file(LONG_NAME, text),
    ]
    repository = f"minimg-test/{uuid.uuid4().hex}"
    names = [
        {
            "repository": repository,
            "template": tag,
            "tag": tag,
            "name": f"{repository}:{tag}",
        }
        for tag in ("1", "latest")
    ]
    config = {
        "entrypoint": ["/bin/hello"],
        "user": "65532:65532",
        "workdir": "/data",
        "env": {"A": "b"},
    }
    tar, info = image(tmp, with_parents(entries), config, names)
    return Made(tar, tmp / "image" / "layout", info, repository)


def _run(*command: str | Path, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    assert not ok or done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done


def _json(*command: str | Path) -> Any:
    return json.loads(_run(*command).stdout)


def _needs_x86() -> None:
    if platform.machine() != "x86_64":
        unavailable("the program in the image is for x86-64")


@pytest.fixture
def loaded(made: Made) -> Iterator[str]:
    client = docker()
    said = _run(client, "load", "-i", made.tar).stdout.decode()
    assert sorted(said.split()[2::3]) == [f"{made.repository}:{tag}" for tag in ("1", "latest")]
    yield client
    _run(client, "image", "rm", *(f"{made.repository}:{tag}" for tag in ("1", "latest")))


def test_docker_knows_the_image_by_its_names(made: Made, loaded: str) -> None:
    for tag in ("1", "latest"):
        (found,) = _json(loaded, "image", "inspect", f"{made.repository}:{tag}")
        assert found["Id"] in (made.info["image_id"], made.digest)
        assert (found["Architecture"], found["Os"]) == ("amd64", "linux")
        assert found["Config"]["Entrypoint"] == ["/bin/hello"]
        assert found["Config"]["User"] == "65532:65532"
        assert found["Config"]["WorkingDir"] == "/data"


def test_docker_runs_it(made: Made, loaded: str) -> None:
    _needs_x86()
    done = _run(loaded, "run", "--rm", "--network=none", f"{made.repository}:1", ok=False)
    assert (done.stdout, done.returncode) == (GREETING, 7), done.stderr


def test_docker_has_every_entry(made: Made, loaded: str, tmp_path: Path) -> None:
    container = _run(loaded, "create", f"{made.repository}:1").stdout.decode().strip()
    try:
        _run(loaded, "export", "-o", tmp_path / "out.tar", container)
    finally:
        _run(loaded, "rm", container)
    with tarfile.open(tmp_path / "out.tar") as archive:
        found = {b"/" + os.fsencode(member.name): member for member in archive}
    assert {ODD_NAME, LONG_NAME} <= found.keys()
    assert (found[b"/bin"].issym(), found[b"/bin"].linkname) == (True, "usr/bin")
    data = found[b"/data"]
    assert (data.uid, data.gid, data.mode & 0o7777) == (65532, 65532, 0o750)
    pair = [found[b"/a/hard"], found[b"/z/file"]]
    assert sorted(member.islnk() for member in pair) == [False, True]
    assert {(member.uid, member.gid, member.mode & 0o7777) for member in pair} == {(7, 8, 0o640)}


def test_skopeo_finds_each_tag_and_the_digest(made: Made) -> None:
    skopeo = working(["skopeo", "--version"])
    for tag in ("1", "latest"):
        found = _json(skopeo, "inspect", f"oci-archive:{made.tar}:{tag}")
        assert found["Digest"] == made.digest
        assert found["Env"][-1] == "A=b"


def test_skopeo_reads_it_as_docker_does(made: Made) -> None:
    skopeo = working(["skopeo", "--version"])
    found = _json(
        skopeo, "inspect", "--config", f"docker-archive:{made.tar}:docker.io/{made.repository}:1"
    )
    assert found["config"]["Entrypoint"] == ["/bin/hello"]
    diff_ids = [layer["diff_id"] for layer in made.info["manifests"][0]["layers"]]
    assert found["rootfs"]["diff_ids"] == diff_ids


def test_skopeo_copies_it_without_a_change(made: Made, tmp_path: Path) -> None:
    skopeo = working(["skopeo", "--version"])
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    digest_file = tmp_path / "digest"
    arguments: list[str | Path] = ["--policy", policy, "copy", "--preserve-digests"]
    arguments += ["--digestfile", digest_file, f"oci-archive:{made.tar}:1"]
    _run(skopeo, *arguments, f"oci:{tmp_path / 'copy'}:1")
    assert digest_file.read_text() == made.digest
    blobs = Path("blobs") / "sha256"
    assert sorted(os.listdir(tmp_path / "copy" / blobs)) == sorted(os.listdir(made.layout / blobs))


def test_umoci_unpacks_it(made: Made, tmp_path: Path) -> None:
    umoci = working(["umoci", "--version"])
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    bundle = tmp_path / "bundle"
    _run(umoci, "unpack", *rootless, "--image", f"{made.layout}:latest", bundle)
    root = os.fsencode(bundle / "rootfs")
    assert os.readlink(root + b"/bin") == b"usr/bin"
    assert os.path.samefile(root + b"/a/hard", root + b"/z/file")
    for name in (ODD_NAME, LONG_NAME):
        with open(root + name, "rb") as stream:
            assert stream.read() == b"text\n"
    config = json.loads((bundle / "config.json").read_bytes())
    assert config["process"]["args"] == ["/bin/hello"]
    assert config["process"]["cwd"] == "/data"
    if not rootless:
        found = os.stat(root + b"/data")
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (65532, 65532, 0o750)


def test_podman_loads_it_under_its_names(made: Made) -> None:
    podman = working(["podman", "--version"])
    with tempfile.TemporaryDirectory() as folder:  # podman takes no longer path than 50 characters
        storage = ["--storage-driver=vfs", f"--root={folder}/root", f"--runroot={folder}/run"]
        _run(podman, *storage, "load", "-i", made.tar)
        (found,) = _json(podman, *storage, "image", "inspect", f"{made.repository}:1")
    names = {f"{made.repository}:{tag}" for tag in ("1", "latest")}
    registries = ("docker.io/", "localhost/")
    assert [name.startswith(registries) for name in found["RepoTags"]] == [True, True]
    assert {name.partition("/")[2] for name in found["RepoTags"]} == names
    assert "sha256:" + found["Id"] == made.info["image_id"]


def test_containerd_imports_it_under_its_names(made: Made) -> None:
    address = next((path for path in CONTAINERD if os.path.exists(path)), None)
    if address is None:
        unavailable("no containerd listens")
    ctr = working(["ctr", "--address", address, "version"])
    namespace = [f"--address={address}", "--namespace=minimg-test"]
    names = [f"docker.io/{made.repository}:{tag}" for tag in ("1", "latest")]
    try:
        _run(ctr, *namespace, "images", "import", "--no-unpack", made.tar)
        listed = _run(ctr, *namespace, "images", "ls").stdout.decode()
        rows = {row.split()[0]: row.split()[2] for row in listed.splitlines()[1:]}
        assert {name: rows.get(name) for name in names} == dict.fromkeys(names, made.digest)
    finally:
        _run(ctr, *namespace, "images", "rm", *names, ok=False)
