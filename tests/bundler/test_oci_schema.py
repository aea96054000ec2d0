"""The documents of an image, as the JSON schemas of OCI's image-spec have them.

Debian ships them in golang-github-opencontainers-image-spec-dev.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.bundler.images import NAMES, file, hello_program, image, put, with_parents
from tests.requirements import unavailable

_FOLDER = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")
_BASE = "https://opencontainers.org/schema/"
#: What is in a layout, and its schema's file and `id`.
_SCHEMAS = {
    "oci-layout": ("image-layout-schema.json", "image/image-layout"),
    "index.json": ("image-index-schema.json", "image/index"),
    "manifest": ("image-manifest-schema.json", "image/manifest"),
    "config": ("config-schema.json", "image/config"),
}
#: Every field that our config can hold.
_CONFIG = {
    "entrypoint": ["/hello"], "cmd": ["x"], "env": {"A": "b"}, "workdir": "/", "user": "1:2",
    "ports": ["80/tcp", "53/udp"], "volumes": ["/data"], "stop_signal": "SIGINT",
    "labels": {"org.example": "ü"},
    "healthcheck": {"command": ["/hello"], "interval": "5s", "retries": 2},
}  # fmt: skip


@cache
def _store() -> dict[str, Any]:
    """Each schema under the names that others know it by; nothing is fetched."""
    if not _FOLDER.is_dir():
        unavailable("golang-github-opencontainers-image-spec-dev is not installed")
    found: dict[str, Any] = {}
    for path in _FOLDER.glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        for folder in ("", "image/", "descriptor/"):
            found[f"{_BASE}{folder}{path.name}"] = schema
        if "id" in schema:
            found[schema["id"]] = schema
    return found


def _problems(what: str, document: Any) -> list[str]:
    store = _store()
    schema = store[f"{_BASE}{_SCHEMAS[what][0]}"]
    resolver = jsonschema.RefResolver(schema["id"], schema, store=store)
    validator = jsonschema.Draft4Validator(schema, resolver=resolver)
    return [error.message for error in validator.iter_errors(document)]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tmp = tmp_path_factory.mktemp("schema")
    program = put(tmp / "blobs", hello_program())
    entries = with_parents([file(b"/hello", program, 0o755)])
    image(tmp, entries, _CONFIG, NAMES, {"org.opencontainers.image.licenses": "MIT"})
    layout = tmp / "image" / "layout"

    def blob(descriptor: dict[str, Any]) -> Any:
        return json.loads((layout / "blobs/sha256" / descriptor["digest"][7:]).read_bytes())

    index = json.loads((layout / "index.json").read_bytes())
    manifest = blob(index["manifests"][0])
    return {
        "oci-layout": json.loads((layout / "oci-layout").read_bytes()),
        "index.json": index,
        "manifest": manifest,
        "config": blob(manifest["config"]),
    }


@pytest.mark.parametrize("what", _SCHEMAS)
def test_a_document_is_valid(documents: dict[str, Any], what: str) -> None:
    assert _problems(what, documents[what]) == []


@pytest.mark.parametrize(
    ("what", "path", "value"),
    [
        ("oci-layout", ["imageLayoutVersion"], 1),
        ("index.json", ["manifests", 0, "digest"], "sha256"),
        ("index.json", ["manifests", 0, "platform", "os"], None),
        ("manifest", ["layers", 0, "size"], "12"),
        ("manifest", ["schemaVersion"], 1),
        ("config", ["rootfs", "diff_ids"], None),
        ("config", ["config", "Env"], {"A": "b"}),
    ],
)
def test_the_schemas_can_refuse(
    documents: dict[str, Any], what: str, path: list[Any], value: Any
) -> None:
    broken = copy.deepcopy(documents[what])
    at = broken
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    assert _problems(what, broken) != []
