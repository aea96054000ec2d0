"""Compiles sources to byte code. It is run by the sysroot's own Python, whatever its version.

So it imports nothing but what is built into every CPython from 3.9 on. Arguments: a file of triples
(the source, its path in the image, where the byte code goes), each ended by a zero byte, and how
many to compile at once. It prints the tag of names such as `os.cpython-311.pyc`.

The bytes depend on the source, its path and this Python alone: each file is compiled in a process
of its own, forked from one and the same state, for marshal marks what is referred to elsewhere.
"""

from __future__ import annotations

import _frozen_importlib_external as external  # type: ignore[import-not-found]
import _imp
import marshal
import posix
import sys

#: Hash-based, and not checked against the source when it is imported (PEP 552).
_UNCHECKED_HASH = 1
#: What a source that is no Python of this version, or too much for its compiler, ends in.
_NOT_COMPILED = (SyntaxError, ValueError, LookupError, RecursionError, OverflowError, MemoryError)


def compiled(source: bytes, name: str) -> bytes:
    """The content of a .pyc file; empty where this Python gives other bytes each time."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    if sys.version_info < (3, 11) and _unordered(code):
        return b""
    magic = external.MAGIC_NUMBER
    digest = _imp.source_hash(int.from_bytes(magic, "little"), source)
    return bytes(magic + _UNCHECKED_HASH.to_bytes(4, "little") + digest + marshal.dumps(code))


def _unordered(constant: object) -> bool:
    """Whether sets are in it whose order hangs on addresses: before 3.11 marshal did not sort."""
    if isinstance(constant, frozenset):
        return any(item is None or item is ... or isinstance(item, tuple) for item in constant)
    if isinstance(constant, tuple):
        return any(map(_unordered, constant))
    return any(map(_unordered, getattr(constant, "co_consts", ())))


def _compile(source: bytes, name: bytes, target: bytes) -> None:
    with open(source, "rb") as file:
        content = file.read()
    try:
        code = compiled(content, name.decode("utf-8", "surrogateescape"))
    except _NOT_COMPILED:
        return
    if code:
        with open(target, "wb") as file:
            file.write(code)


def _wait() -> None:
    _, status = posix.wait()
    if status != 0:
        sys.exit(f"a compiler ended with status {status}")


def main(listing: str, at_once: int) -> None:
    with open(listing, "rb") as file:
        fields = file.read().split(b"\0")[:-1]
    print(sys.implementation.cache_tag)
    sys.stdout.flush()
    running = 0
    for index in range(0, len(fields), 3):
        if running == at_once:
            _wait()
            running -= 1
        if posix.fork() == 0:
            status = 1
            try:
                _compile(*fields[index : index + 3])
                status = 0
            finally:
                posix._exit(status)
        running += 1
    while running:
        _wait()
        running -= 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
