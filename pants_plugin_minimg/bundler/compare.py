"""What two images differ in: paths, modes, owners, the config, bytes on disk and on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.text import text
from pants_plugin_minimg.bundler.verification import documents, tree

_LIMIT = 64 << 30


@dataclass(frozen=True)
class Image:
    """An image of ours as it is in its tar or layout. Sizes in bytes."""

    digest: str
    config: Mapping[str, Any]
    entries: Mapping[bytes, Entry]
    wire: int

    @property
    def disk(self) -> int:
        return sum(entry.size for entry in self.entries.values())


@dataclass(frozen=True)
class Change:
    """`kind` is added, removed, changed or moved (only mode, owner or target); `grown` in bytes."""

    path: bytes
    kind: str
    grown: int
    detail: str = ""


def load(path: str, scratch: str) -> Image:
    """Raises MinimgError MINIMG-E001, and Problems for what is no whole image of ours."""
    archive = documents.opened(path, scratch)
    found, problems = documents.read_one(archive)
    problems = [*archive.problems, *problems]
    if found is None or problems:
        raise Problems(problems)
    made, problems = tree.read(found.layers, found.created, _LIMIT, scratch)
    if problems:
        raise Problems(problems)
    wire = sum(layer.blob.seek(0, 2) for layer in found.layers)
    return Image(found.manifest, found.config, made.entries(), wire)


def changes(old: Image, new: Image) -> list[Change]:
    """The largest first."""
    found = [
        *(
            Change(path, "added", e.size)
            for path, e in new.entries.items()
            if path not in old.entries
        ),
        *(
            Change(path, "removed", -e.size)
            for path, e in old.entries.items()
            if path not in new.entries
        ),
    ]
    for path, entry in new.entries.items():
        before = old.entries.get(path)
        if before is None:
            continue
        detail = _detail(before, entry)
        if (before.kind, before.content) != (entry.kind, entry.content):
            found.append(Change(path, "changed", entry.size - before.size, detail))
        elif detail:
            found.append(Change(path, "moved", 0, detail))
    return sorted(found, key=lambda change: (-abs(change.grown), change.path))


def _detail(before: Entry, after: Entry) -> str:
    told = []
    if before.kind != after.kind:
        told.append(f"{before.kind} to {after.kind}")
    if before.mode != after.mode:
        told.append(f"mode {before.mode:04o} to {after.mode:04o}")
    if (before.uid, before.gid) != (after.uid, after.gid):
        told.append(f"owner {before.uid}:{before.gid} to {after.uid}:{after.gid}")
    if before.target != after.target:
        told.append(f"target {text(before.target or b'')} to {text(after.target or b'')}")
    return ", ".join(told)


def config_changes(old: Image, new: Image) -> list[tuple[str, Any, Any]]:
    """Name, old value and new value; None where there is none."""
    before, after = _flat(old.config), _flat(new.config)
    return [
        (name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the container sees: each variable and label by itself, and no digest of a layer."""
    raw = dict(config.get("config") or {})
    env = dict(pair.partition("=")[::2] for pair in raw.pop("Env", None) or ())
    labels = raw.pop("Labels", None) or {}
    platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
    return {
        **platform,
        **raw,
        **{f"Env {name}": value for name, value in env.items()},
        **{f"Label {name}": value for name, value in labels.items()},
    }


def to_json(old: Image, new: Image) -> dict[str, Any]:
    return {
        "version": 1,
        "old": {"digest": old.digest, "size_on_disk": old.disk, "size_of_layers": old.wire},
        "new": {"digest": new.digest, "size_on_disk": new.disk, "size_of_layers": new.wire},
        "paths": [
            {"path": text(c.path), "kind": c.kind, "grown": c.grown, "detail": c.detail}
            for c in changes(old, new)
        ],
        "config": [
            {"name": name, "old": before, "new": after}
            for name, before, after in config_changes(old, new)
        ],
    }


_MARKS = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}


def lines(old: Image, new: Image) -> Iterator[str]:
    """As text for a terminal."""
    yield f"old {old.digest}"
    yield f"new {new.digest}"
    yield f"on disk {_grown(old.disk, new.disk)}, layers {_grown(old.wire, new.wire)}"
    for change in changes(old, new):
        detail = f"  ({change.detail})" if change.detail else ""
        yield f"{_MARKS[change.kind]} {_signed(change.grown):>9}  {text(change.path)}{detail}"
    for name, before, after in config_changes(old, new):
        yield f"~ {name}: {json.dumps(before)} to {json.dumps(after)}"


def markdown(old: Image, new: Image) -> Iterator[str]:
    """For a pull request."""
    yield f"**On disk** {_grown(old.disk, new.disk)}, **layers** {_grown(old.wire, new.wire)}"
    found = changes(old, new)
    if found:
        yield from ("", "| | bytes | path | |", "|---|---:|---|---|")
        for change in found:
            path = text(change.path).replace("|", "\\|")
            yield f"| {change.kind} | {_signed(change.grown)} | `{path}` | {change.detail} |"
    config = config_changes(old, new)
    if config:
        yield from ("", "| config | old | new |", "|---|---|---|")
        for name, before, after in config:
            yield f"| {name} | `{json.dumps(before)}` | `{json.dumps(after)}` |"
    if not found and not config:
        yield "The same files and the same config."


def _grown(old: int, new: int) -> str:
    return f"{shown(old)} to {shown(new)} ({_signed(new - old)})"


def _signed(count: int) -> str:
    return f"+{shown(count)}" if count > 0 else f"-{shown(-count)}" if count < 0 else "0 B"
