"""Dynamic string tokens: $ORIGIN, $LIB, $PLATFORM (glibc elf/dl-load.c, _dl_dst_substitute)."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Compiled when a name holds a `$`.
_TOKEN = rb"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))"


def expand(value: bytes, known: Mapping[bytes, bytes | None]) -> bytes | None:
    """None when a token has no value: the loader then leaves the whole element out.

    A `$` that starts no token stays as it is.
    """
    if b"$" not in value:
        return value
    unknown = False

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal unknown
        found = known.get(match.group(1) or match.group(2))
        unknown = unknown or found is None
        return found or b""

    out = re.sub(_TOKEN, replace, value)
    return None if unknown else out
