"""What two images differ in, as JSON, for a terminal, and for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pants_plugin_minimg.bundler.inspection.compare import (
    NOTHING,
    Change,
    Comparison,
    Image,
    changes,
    config_changes,
)
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.text import text


def to_json(compared: Comparison) -> dict[str, Any]:
    """`old` or `new` is null where the other side alone has such an image."""
    old, new = compared.old, compared.new
    return {
        "version": 1,
        "title": compared.title,
        "old": _side(old),
        "new": _side(new),
        "paths": [
            {
                "path": text(c.path),
                "kind": c.kind,
                "grown": c.grown,
                "detail": c.detail,
                "reasons": c.reasons,
            }
            for c in changes(old, new)
        ],
        "config": [
            {"name": name, "old": before, "new": after}
            for name, before, after in config_changes(old, new)
        ],
    }


def _side(image: Image) -> dict[str, Any] | None:
    if image is NOTHING:
        return None
    return {
        "digest": image.digest,
        "platform": image.platform,
        "size_on_disk": image.disk,
        "size_of_layers": image.wire,
    }


_MARKS = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}


def lines(compared: Comparison) -> Iterator[str]:
    """As text for a terminal."""
    old, new = compared.old, compared.new
    if compared.title:
        yield compared.title
    yield f"old {old.digest or 'none: all of it is new'}"
    yield f"new {new.digest or 'none: all of it is gone'}"
    yield f"on disk {_grown(old.disk, new.disk)}, layers {_grown(old.wire, new.wire)}"
    for change in changes(old, new):
        detail = f"  ({change.detail})" if change.detail else ""
        why = f": {_why(change)}" if change.reasons else ""
        yield f"{_MARKS[change.kind]} {_signed(change.grown):>9}  {text(change.path)}{detail}{why}"
    for name, before, after in config_changes(old, new):
        yield f"~ {name}: {json.dumps(before)} to {json.dumps(after)}"


def _why(change: Change) -> str:
    """The first reason, and how many there are besides."""
    more = len(change.reasons) - 1
    return change.reasons[0] + (f" (and {more} more)" if more else "")


def markdown(compared: Comparison) -> Iterator[str]:
    """For a pull request."""
    old, new = compared.old, compared.new
    if compared.title:
        yield from (f"### {compared.title}", "")
    if old is NOTHING or new is NOTHING:
        yield f"All of it is {'new' if old is NOTHING else 'gone'}."
    yield f"**On disk** {_grown(old.disk, new.disk)}, **layers** {_grown(old.wire, new.wire)}"
    found = changes(old, new)
    if found:
        yield from ("", "| | bytes | path | | why |", "|---|---:|---|---|---|")
        for change in found:
            cells = (
                change.kind,
                _signed(change.grown),
                f"`{text(change.path)}`",
                change.detail,
                _why(change) if change.reasons else "",
            )
            yield f"| {' | '.join(map(_cell, cells))} |"
    config = config_changes(old, new)
    if config:
        yield from ("", "| config | old | new |", "|---|---|---|")
        for name, before, after in config:
            values = (name, f"`{json.dumps(before)}`", f"`{json.dumps(after)}`")
            yield f"| {' | '.join(map(_cell, values))} |"
    if not found and not config:
        yield "The same files and the same config."


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


def _grown(old: int, new: int) -> str:
    return f"{shown(old)} to {shown(new)} ({_signed(new - old)})"


def _signed(count: int) -> str:
    return f"+{shown(count)}" if count > 0 else f"-{shown(-count)}" if count < 0 else "0 B"
