"""The licences that a package's copyright file names, where a machine can read it.

Format: DEP-5, https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. Older files are
free text, and nothing is guessed of them.
"""

from __future__ import annotations

#: Bytes; the largest in Debian are a few hundred kilobytes.
MAX_SIZE = 1 << 21
_MAX_NAME = 200


def names(content: bytes) -> tuple[str, ...]:
    """The short names of the header and of `Files` paragraphs, sorted; empty for another format."""
    if not content.startswith(b"Format:") or len(content) > MAX_SIZE:
        return ()
    from debian_inspector import copyright as dep5

    try:
        paragraphs = dep5.DebianCopyright.from_text(content.decode("utf-8", "replace")).paragraphs
        kinds = (dep5.CopyrightHeaderParagraph, dep5.CopyrightFilesParagraph)
        found = {_name(item.license) for item in paragraphs if isinstance(item, kinds)}
    except Exception:  # whatever a parser of prose raises: the file then tells nothing
        return ()
    return tuple(sorted(name for name in found if 0 < len(name) <= _MAX_NAME))


def _name(licence: object) -> str:
    return " ".join(str(getattr(licence, "name", None) or "").split())
