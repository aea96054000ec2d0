"""Which options of UPX choose how it compresses: all others choose what it does, or to which file.

Apart from upx.py: the rules know them too, to refuse the others with the target that has them.
"""

from __future__ import annotations

import re

DEFAULT = ("--lzma",)  # the only setting of a moment that wins on disk and on the wire

_ALLOWED = re.compile(
    r"-[1-9]|--(best|brute|ultra-brute|lzma|no-lzma|nrv2[bde]|all-methods|all-filters|no-filter"
    r"|filter=\w+|exact|overlay=(copy|skip)|preserve-build-id|force-execve|unmap-all-pages)"
)

PROBLEM = "is no option that chooses how UPX compresses"
REMEDY = "Write such as -9, --best, --brute, --ultra-brute, --lzma or --preserve-build-id."


def allowed(arg: str) -> bool:
    return _ALLOWED.fullmatch(arg) is not None
