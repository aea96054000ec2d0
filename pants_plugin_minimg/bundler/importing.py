"""How does the sandbox tool start, with its modules in one file? It runs this as `__main__`.

The file is what `subsystems/compilation.py` joined: the size of its index in four bytes, least
first; the index by `marshal`, path -> (place behind the index, size); the files one after another.
Python finds modules in a zip, too, but reads its list of members in Python at each start, opens it
for each module, and loads the code of each twice in 3.9.
"""

from __future__ import annotations

import marshal
import os
import sys

# As `importlib` has them, of what Python has loaded by now: its package is not needed by each step.
from _frozen_importlib_external import (  # type: ignore[import-not-found]
    SourcelessFileLoader,
    spec_from_file_location,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

NAME = "modules.bin"
_SIZE = 4


class Modules:
    """Finds modules in the file at `path`, an absolute one, as if that were a folder.

    Packages without `__init__` are not found. Raises OSError where the file is not there or cut
    short, as all that reads it later does.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = int.from_bytes(self._read(0, _SIZE), "little")
        self._index: dict[str, tuple[int, int]] = marshal.loads(self._read(_SIZE, size))
        self._start = _SIZE + size

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        base = name.replace(".", "/")
        for inside in (f"{base}/__init__.pyc", f"{base}.pyc"):
            if inside in self._index:
                file = f"{self._path}/{inside}"
                return spec_from_file_location(name, file, loader=Loader(name, file, self))
        return None

    def content(self, path: str) -> bytes:
        """Of the file with that path, which begins with that of the modules."""
        place = self._index.get(path[len(self._path) + 1 :])
        if place is None:
            raise FileNotFoundError(f"{path}: it is not there")
        start, size = place
        return self._read(self._start + start, size)

    def _read(self, start: int, size: int) -> bytes:
        # At a place of its own: a process that forked shares the file's offset with its children.
        found = os.pread(self._file, size, start)
        if len(found) < size:
            raise OSError(f"{self._path}: it is cut short")
        return found


class Loader(SourcelessFileLoader):
    """As Python loads byte code from a folder, but for where the bytes are from."""

    def __init__(self, name: str, path: str, modules: Modules) -> None:
        super().__init__(name, path)
        self._modules = modules

    def get_data(self, path: str) -> bytes:
        return self._modules.content(path)


def main() -> None:
    sys.meta_path.insert(0, Modules(os.path.join(sys.path[0], NAME)))
    from pants_plugin_minimg.bundler.__main__ import start

    start()


if __name__ == "__main__":
    main()
