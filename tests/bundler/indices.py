"""Makes small indices of images of several platforms, through the command line's functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bundler import images
from tests.bundler.images import file, hello_program, put, run, with_parents

AMD, ARM = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))
ARMHF = {"os": "linux", "architecture": "arm", "variant": "v7"}


def made(tmp: Path, platform: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image for a platform: its folder, with `image/layout` and `image/info.json`."""
    folder = tmp / platform["architecture"]
    folder.mkdir(parents=True)
    monkeypatch.setattr(images, "PLATFORM", platform)
    text = put(folder / "blobs", platform["architecture"].encode())
    program = put(folder / "blobs", hello_program())
    entries = [file(b"/hello", program, 0o755), file(b"/etc/which", text)]
    images.image(folder, with_parents(entries), {"entrypoint": ["/hello"]})
    return folder / "image"


def index(
    tmp: Path, parts: list[Path], names: list[dict[str, str]], **more: Any
) -> tuple[Path, dict[str, Any]]:
    """Runs `index`; gives the tar and the info."""
    request = {"version": 1, "artifact": "x.tar", "names": names, "address": "//t:index", **more}
    (tmp / "index.json").write_text(json.dumps(request))
    out, blobs = tmp / "out", tmp / "merged" / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for blob in (part / "layout" / "blobs" / "sha256").iterdir():
            (blobs / blob.name).write_bytes(blob.read_bytes())
    run(
        "index", "--request", tmp / "index.json",
        "--origin", *(f"//t:{number}" for number, _ in enumerate(parts)),
        "--image", *(part / "layout" for part in parts),
        "--info", *(part / "info.json" for part in parts),
        "--out", out, "--layers", tmp / "merged", "--tar", out / "x.tar",
    )  # fmt: skip
    return out / "x.tar", json.loads((out / "info.json").read_bytes())
