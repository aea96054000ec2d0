"""TOML as the bundler writes and reads it: the one place that knows the `toml` package."""

from __future__ import annotations

from typing import Any

import toml

from pants_plugin_minimg.bundler.errors import MinimgError

_WIDTH = 100


def parse(content: bytes, subject: str, remedy: str) -> dict[str, Any]:
    """Raises MinimgError MINIMG-E023 for what is no TOML."""
    try:
        return toml.loads(content.decode("utf-8"))
    # The parser raises more than its own error for damaged input.
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MinimgError("MINIMG-E023", subject, f"it is no TOML: {error}", remedy) from None


def load(path: str, remedy: str) -> dict[str, Any]:
    """Raises MinimgError MINIMG-E023, also when there is no such file."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise MinimgError(
            "MINIMG-E023", path, f"it cannot be read: {error.strerror}", remedy
        ) from None
    return parse(content, path, remedy)


def dumps(document: dict[str, Any]) -> str:
    """Keys in the order of `document`; a list that is too long for a line has one item a line."""
    written = toml.dumps(document, encoder=_Encoder())
    return written.replace("\n[[", "\n\n[[", 1).rstrip() + "\n"


class _Encoder(toml.TomlEncoder):
    def dump_list(self, v: Any) -> str:
        items = [str(self.dump_value(item)) for item in v]
        line = f"[{', '.join(items)}]"
        # Room for the longest key that has a list.
        if len(line) + len("architectures = ") <= _WIDTH:
            return line
        return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
