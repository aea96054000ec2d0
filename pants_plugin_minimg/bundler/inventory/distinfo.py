"""Python distributions, by the metadata that installers leave beside the packages.

Format: the core metadata specifications of the Python Packaging User Guide; `*.dist-info/METADATA`
of wheels, `*.egg-info` (a file, or PKG-INFO in a folder) of what Debian and setuptools install.
"""

from __future__ import annotations

import re

from pants_plugin_minimg.bundler.records import NamedTuple

#: Bytes that are looked at; the fields come before a description of any length.
MAX_HEADER = 1 << 20
_PATHS = (b".dist-info/METADATA", b".egg-info/PKG-INFO", b".egg-info")
#: The names and versions that the specifications allow, spaces and control characters apart.
_WORD = re.compile(r"[^\s\x00-\x1f]{1,200}")
_OSI = "License :: OSI Approved :: "
_MAX_LICENCE = 200


class Distribution(NamedTuple):
    """`licence` is an SPDX expression, the text of a one-line field, or None."""

    name: str
    version: str
    licence: str | None


def is_metadata(path: bytes) -> bool:
    return path.endswith(_PATHS)


def parse(content: bytes) -> Distribution | None:
    """None for what is no metadata of a distribution."""
    fields = _fields(content[:MAX_HEADER].decode("utf-8", "replace"))
    name, version = (fields.get(key, [""])[0] for key in ("name", "version"))
    if not _WORD.fullmatch(name) or not _WORD.fullmatch(version):
        return None
    return Distribution(name, version, _licence(fields))


def _licence(fields: dict[str, list[str]]) -> str | None:
    classifiers = [
        value[len(_OSI) :] for value in fields.get("classifier", ()) if value.startswith(_OSI)
    ]
    candidates: list[str] = [*fields.get("license-expression", ()), *fields.get("license", ())]
    candidates.append(" or ".join(classifiers))
    for text in candidates:
        if text and text != "UNKNOWN" and "\n" not in text and len(text) <= _MAX_LICENCE:
            return text
    return None


def _fields(text: str) -> dict[str, list[str]]:
    """The header's fields by name in lower case, each with all its values."""
    out: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if not line:
            break
        if line[0] in " \t":
            if last:
                last[-1] += "\n" + line.strip()
            continue
        key, colon, value = line.partition(":")
        last = out.setdefault(key.lower(), []) if colon else None
        if last is not None:
            last.append(value.strip())
    return out
