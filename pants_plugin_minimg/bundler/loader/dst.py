"""Dynamic string tokens: $ORIGIN, $LIB, $PLATFORM (glibc elf/dl-load.c, _dl_dst_substitute)."""

from __future__ import annotations

from collections.abc import Mapping

_TOKENS = (b"ORIGIN", b"LIB", b"PLATFORM")


def expand(value: bytes, known: Mapping[bytes, bytes | None]) -> bytes | None:
    """None when a token has no value: the loader then leaves the whole element out.

    A `$` that starts no token stays as it is.
    """
    if b"$" not in value:
        return value
    start, *pieces = value.split(b"$")
    out = [start]
    for piece in pieces:
        token, rest = _token(piece)
        found = b"$" if token is None else known.get(token)
        if found is None:
            return None
        out += found, rest
    return b"".join(out)


def _token(piece: bytes) -> tuple[bytes | None, bytes]:
    """The token that `piece`, what follows a `$`, starts with, and the rest."""
    for token in _TOKENS:
        if piece.startswith(b"{%s}" % token):
            return token, piece[len(token) + 2 :]
        if piece.startswith(token):
            rest = piece[len(token) :]
            if not (rest[:1].isalnum() or rest[:1] == b"_"):
                return token, rest
    return None, piece
