"""Makes small images through the command line's functions, and reads images back with checks."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pants_plugin_minimg.bundler.commands import image as cli_image
from pants_plugin_minimg.bundler.plan import Entry, order, parents

PLATFORM = {"os": "linux", "architecture": "amd64"}
NAMES = [
    {
        "repository": "tools/hello",
        "template": "latest",
        "tag": "latest",
        "name": "tools/hello:latest",
    }
]
GREETING = b"hello from the image\n"


def hello_program() -> bytes:
    """A static x86-64 Linux program that prints GREETING and exits with status 7."""
    base = 0x400000
    start = 64 + 56
    code_size = 37
    text_at = base + start + code_size
    code = (
        b"\xb8\x01\x00\x00\x00"  # mov eax, 1 (write)
        b"\xbf\x01\x00\x00\x00"  # mov edi, 1
        + b"\x48\xbe"  # movabs rsi, text
        + struct.pack("<Q", text_at)
        + b"\xba"  # mov edx, length
        + struct.pack("<I", len(GREETING))
        + b"\x0f\x05"  # syscall
        b"\xb0\x3c"  # mov al, 60 (exit)
        b"\x40\xb7\x07"  # mov dil, 7
        b"\x0f\x05"  # syscall
        b"\xf4\xf4\xf4"  # hlt
    )
    assert len(code) == code_size
    size = start + code_size + len(GREETING)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + segment + code + GREETING


def run(*arguments: str | Path) -> None:
    """One of the bundler's image commands, in this process."""
    parser = argparse.ArgumentParser()
    cli_image.add_parser(parser.add_subparsers())
    options = parser.parse_args([str(argument) for argument in arguments])
    options.run(options)


def put(folder: Path, content: bytes, name: str | None = None) -> str:
    """Store a content under its SHA-256, or under another name; gives the name."""
    folder.mkdir(parents=True, exist_ok=True)
    sha = name or hashlib.sha256(content).hexdigest()
    (folder / sha).write_bytes(content)
    return sha


def file(path: bytes, sha: str, mode: int = 0o644, **more: Any) -> Entry:
    return Entry(path, "file", mode, content=sha, **more)


def link(path: bytes, target: bytes) -> Entry:
    return Entry(path, "link", 0o777, target=target)


def hard_link(path: bytes, target: bytes) -> Entry:
    return Entry(path, "hardlink", target=target)


def directory(path: bytes, mode: int = 0o755, **more: Any) -> Entry:
    return Entry(path, "dir", mode, **more)


def with_parents(entries: list[Entry]) -> list[Entry]:
    """The entries and the directories that lead to them, in a plan's order."""
    found = {entry.path: entry for entry in entries}
    for entry in entries:
        for parent in parents(entry.path):
            found.setdefault(parent, directory(parent))
    return sorted(found.values(), key=order)


def write_projection(path: Path, entries: list[Entry]) -> Path:
    raw = {"version": 1, "entries": [entry.projected() for entry in entries]}
    path.write_text(json.dumps(raw))
    return path


def layer(tmp: Path, entries: list[Entry], *more: str | Path) -> dict[str, Any]:
    """Run `layer` over `tmp`/blobs, out into `tmp`/layer; gives layer.json."""
    projection = write_projection(tmp / "projection.json", entries)
    out = tmp / "layer"
    run("layer", "--projection", projection, "--blobs", tmp / "blobs", "--out", out, *more)
    raw: dict[str, Any] = json.loads((out / "layer.json").read_bytes())
    return raw


def blob(out: Path, digest: str) -> Path:
    return out / "blobs" / "sha256" / digest[len("sha256:") :]


def image(
    tmp: Path,
    entries: list[Entry],
    config: dict[str, Any] | None = None,
    names: list[dict[str, str]] | None = None,
    annotations: dict[str, str] | None = None,
    budget: dict[str, str] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Run `layer`, `image` and `tar` for an image of one layer; gives the tar and info.json."""
    layer(tmp, entries)
    request = {
        "version": 1,
        "artifact": "tools/hello.tar",
        "names": NAMES if names is None else names,
        "config": config or {},
        "annotations": annotations or {},
        **(budget or {}),
    }
    plan = {
        "version": 1,
        "platform": PLATFORM,
        "entries": [entry.to_json() for entry in entries],
        "programs": [],
        "loaded": {},
        "entrypoint": ["/hello"],
        "log": [],
    }
    (tmp / "image.json").write_text(json.dumps(request))
    (tmp / "plan.json").write_text(json.dumps(plan))
    out = tmp / "image"
    arguments: list[str | Path] = ["image", "--request", tmp / "image.json"]
    arguments += ["--layer", tmp / "layer" / "layer.json", "--plan", tmp / "plan.json"]
    run(*arguments, "--out", out, "--layers", tmp / "layer", "--tar", tmp / "image.tar")
    layout = out / "layout"
    for path in (tmp / "layer" / "blobs" / "sha256").iterdir():
        path.rename(layout / "blobs" / "sha256" / path.name)
    info: dict[str, Any] = json.loads((out / "info.json").read_bytes())
    return tmp / "image.tar", info


@dataclass(frozen=True)
class Read:
    """An image as a tar tells it; every digest and size in it has been checked."""

    index: dict[str, Any]
    manifest: dict[str, Any]
    config: dict[str, Any]
    docker: list[dict[str, Any]]
    manifest_digest: str
    layers: list[list[tarfile.TarInfo]]


def _blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = files["blobs/sha256/" + descriptor["digest"][len("sha256:") :]]
    assert hashlib.sha256(content).hexdigest() == descriptor["digest"][len("sha256:") :]
    assert len(content) == descriptor["size"]
    return content


def read_layer(content: bytes) -> tuple[bytes, list[tarfile.TarInfo]]:
    """The plain tar of a compressed one, and its members."""
    tar = gzip.decompress(content)
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as archive:
        return tar, archive.getmembers()


def read_image(path: Path) -> Read:
    """Read a tar back. AssertionError for a digest, a size or a reference that is not right."""
    with tarfile.open(path) as archive:
        files = {
            member.name: stream.read()
            for member in archive
            for stream in (archive.extractfile(member),)
            if stream is not None
        }
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files["index.json"])
    digests = {descriptor["digest"] for descriptor in index["manifests"]}
    assert len(digests) == 1, "one image under several names"
    manifest = json.loads(_blob(files, index["manifests"][0]))
    config = json.loads(_blob(files, manifest["config"]))
    layers = []
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"]):
        tar, members = read_layer(_blob(files, descriptor))
        assert "sha256:" + hashlib.sha256(tar).hexdigest() == diff_id
        layers.append(members)
    assert len(layers) == len(manifest["layers"]) == len(config["rootfs"]["diff_ids"])
    docker = json.loads(files["manifest.json"])
    in_use = {docker[0]["Config"], *docker[0]["Layers"], "blobs/sha256/" + digests.pop()[7:]}
    assert in_use == {name for name in files if name.startswith("blobs/")}
    return Read(index, manifest, config, docker, index["manifests"][0]["digest"], layers)
