"""Which files of the standard library an image gets.

Left out is what only developers of Python and of programs run: test suites, the editor IDLE and Tk,
the bundled pip, what builds extension modules, the texts of `pydoc`, and caches of byte code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot

#: The values of `python_stdlib`.
DEFAULT, ALL, REACHABLE = "default", "all", "reachable"

_LEFT_OUT = re.compile(
    rb"(?:"
    rb"test|idlelib|tkinter|turtledemo|turtle\.py|ensurepip|pydoc_data|lib2to3"
    rb"|config-3[^/]*|site-packages|dist-packages"
    rb"|.*/(?:test|tests|idle_test)"
    rb"|lib-dynload/(?:_tkinter|_test|_ctypes_test|_xxtestfuzz|xxlimited|_testcapi)[^/]*"
    rb")(?:/|\Z)"
)
_NEVER = b"__pycache__"


def files(sysroot: Sysroot, library: bytes, choice: str) -> Iterator[bytes]:
    """The paths of files and links below `library`, sorted; all but caches with ALL."""
    pending = [library]
    while pending:
        folder = pending.pop()
        for name in sysroot.scandir(folder):
            path = join(folder, name)
            if name == _NEVER or (choice != ALL and _LEFT_OUT.match(path[len(library) + 1 :])):
                continue
            stat = sysroot.lstat(path)
            if stat is not None and stat.kind == "dir":
                pending.append(path)
            elif stat is not None:
                yield path
