"""Paths are bytes inside, text in JSON and messages: reversibly, for any bytes."""

from __future__ import annotations

#: What would end a line, or move a terminal's cursor: C0, DEL, C1, and Unicode's own line ends.
_CONTROL = frozenset([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])


def text(path: bytes) -> str:
    r"""UTF-8 decoded, on one line; a byte that is not UTF-8, or of a control character, becomes
    `\xNN`, and a backslash `\\`."""
    shown = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return shown if shown.isprintable() else "".join(map(_escaped, shown))


def _escaped(char: str) -> str:
    if ord(char) not in _CONTROL:
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8"))


def path_bytes(escaped: str) -> bytes:
    r"""The inverse of `text`. Raises ValueError for an escape that `text` does not write."""
    if "\\" not in escaped:
        return escaped.encode("utf-8")
    out = bytearray()
    pieces = escaped.split("\\")
    out += pieces[0].encode("utf-8")
    index = 1
    while index < len(pieces):
        piece = pieces[index]
        if piece == "" and index + 1 < len(pieces):  # the two halves of an escaped backslash
            out += b"\\" + pieces[index + 1].encode("utf-8")
            index += 2
        elif piece[:1] == "x" and len(piece) >= 3:
            out.append(int(piece[1:3], 16))
            out += piece[3:].encode("utf-8")
            index += 1
        else:
            raise ValueError(f"not an escaped path: {escaped!r}")
    return bytes(out)


def escaped(path: str) -> str:
    """A path that is text already, such as a field's value, in the form that `path_bytes` reads."""
    return text(path.encode("utf-8"))
