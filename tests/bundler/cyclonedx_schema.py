"""CycloneDX 1.6 as its own JSON schema has it: the copy that cyclonedx-python-lib ships."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]

_BASE = "http://cyclonedx.org/schema/"


def problems(document: Any) -> list[str]:
    """What the schema has against a document; nothing is fetched."""
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in _validator().iter_errors(document)
    ]


@cache
def _validator() -> Any:
    schema = _shipped("bom-1.6")
    store = {
        f"{_BASE}spdx.schema.json": _shipped("spdx"),
        f"{_BASE}jsf-0.82.schema.json": _shipped("jsf-0.82"),
    }
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store)
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft7Validator(schema, resolver=resolver, format_checker=checker)


def _shipped(name: str) -> Any:
    folder = resources.files("cyclonedx.schema") / "_res"
    return json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text(encoding="utf-8"))
