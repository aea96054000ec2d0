"""Control data (Debian Policy chapter 5): paragraphs of `Field: value` lines."""

from __future__ import annotations

from debian_inspector.deb822 import get_paragraphs_as_field_groups

# `str.splitlines` ends a line at each of these; a control file only at a newline.
_ODD_BREAKS = dict.fromkeys(map(ord, "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), " ")


def paragraph(content: str) -> dict[str, str]:
    """The fields of one paragraph: name in lower case -> value, its lines joined by newlines.

    Comment lines are dropped. Raises ValueError for a field that is there twice.
    """
    lines = (line for line in content.translate(_ODD_BREAKS).split("\n") if line[:1] != "#")
    out: dict[str, str] = {}
    for group in get_paragraphs_as_field_groups("\n".join(lines)):
        for field in group:
            if field.name in out:
                raise ValueError(f"the field {field.name!r} is there twice")
            out[field.name] = "\n".join(line.value for line in field.lines)
    out.pop("unknown", None)  # the parser's name for lines that are no field
    return out


def paragraphs(content: str) -> list[dict[str, str]]:
    """Each paragraph of a file, in its order. Raises ValueError."""
    out, lines = [], []
    for line in [*content.split("\n"), ""]:
        if line.strip():
            lines.append(line)
            continue
        if any(kept[:1] != "#" for kept in lines):
            out.append(paragraph("\n".join(lines)))
        lines = []
    return out
