"""The ELF files of this machine: all of /usr, or a sample of programs and the triplet's libraries.

How many: MINIMG_ORACLE_FILES, 0 for all.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

FILES = int(os.environ.get("MINIMG_ORACLE_FILES", "300"))


def _files(top: bytes) -> Iterator[bytes]:
    for folder, folders, names in os.walk(top):
        # Debugging information has headers and no contents: nobody loads it.
        folders[:] = sorted(name for name in folders if name != b"debug")
        for name in sorted(names):
            path = folder + b"/" + name
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def _is_elf(path: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def elf_files() -> list[bytes]:
    if not FILES:
        return [path for path in _files(b"/usr") if _is_elf(path)]
    candidates = [
        path for top in (b"/usr/bin", b"/usr/lib/x86_64-linux-gnu") for path in _files(top)
    ]
    random.Random(2).shuffle(candidates)
    return list(itertools.islice(filter(_is_elf, candidates), FILES))
