"""The output of `plan` for a program of this machine, made with the machine's own loader."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from pants_plugin_minimg.bundler.plan import Entry
from tests.bundler.images import put, with_parents

_LINE = re.compile(r"^\t(?:(\S+) => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)


def tool_of(program: str, out: Path) -> Path:
    """`out`, filled for a program whose loader answers LD_TRACE_LOADED_OBJECTS."""
    real = os.path.realpath(program)
    traced = subprocess.run(
        [real], env={"LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, text=True, check=True
    )
    libraries, interpreter = [], None
    entries = {real.encode(): _file(out, real)}
    for name, path in _LINE.findall(traced.stdout):
        canonical = os.path.realpath(path)
        entries[canonical.encode()] = _file(out, canonical)
        if name:
            libraries.append({"name": name, "path": canonical})
        else:
            interpreter = path
    assert interpreter is not None
    if interpreter != os.path.realpath(interpreter):  # as PT_INTERP says it, through a link
        place = os.fsencode(os.path.realpath(os.path.dirname(interpreter)))
        if place != os.fsencode(os.path.dirname(interpreter)):
            folder = os.fsencode(os.path.dirname(interpreter))
            entries[folder] = Entry(folder, "link", 0o777, target=place)
        link = place + b"/" + os.fsencode(os.path.basename(interpreter))
        if os.path.islink(link):
            target = os.path.realpath(link)
            entries[link] = Entry(link, "link", 0o777, target=target)
    loaded = {real: {"interpreter": interpreter, "libraries": libraries}}
    return write_tool(out, list(entries.values()), real, loaded)


def _file(out: Path, path: str) -> Entry:
    with open(path, "rb") as file:
        sha = put(out / "blobs", file.read())
    return Entry(path.encode(), "file", 0o755, content=sha)


def write_tool(out: Path, entries: list[Entry], program: str, loaded: dict[str, Any]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    plan = {
        "version": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
        "entries": [entry.to_json() for entry in with_parents(entries)],
        "programs": [program],
        "loaded": loaded,
        "entrypoint": [program],
        "log": [],
    }
    (out / "plan.json").write_text(json.dumps(plan))
    return out


def script_tool(out: Path, text: str) -> Path:
    """A program that needs no libraries laid out: a shell script."""
    sha = put(out / "blobs", text.encode())
    return write_tool(out, [Entry(b"/tool", "file", 0o755, content=sha)], "/tool", {})
