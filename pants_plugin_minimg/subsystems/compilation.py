"""What the sandbox program is made of: the modules of a loose PEX as byte code, in few files.

Run by its text, by the interpreter that the sandbox program will run on, whose byte code it is. The
engine reads the list of a process's files anew for each process, and hundreds of them would cost
more than many a step takes: modules are in one file, which `bundler/importing.py` reads, but for
packages with native code, which no interpreter loads out of one. It imports nothing but the
standard library.
"""

from __future__ import annotations

import compileall
import marshal
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from py_compile import PycInvalidationMode

JOINED = "modules.bin"
_OWN = "pants_plugin_minimg"
#: What is run by other interpreters, of a sysroot: these get the source.
_HANDED_ON = f"{_OWN}/bundler/python/"
_DEPENDENCIES = ".deps"
_NO_MODULES = (".dist-info", ".data")
#: What a wheel keeps outside its root, to go beside it (PyPA, binary distribution format).
_SPREAD = ("purelib", "platlib")
#: A second backend of twelve megabytes, for interpreters that cannot load the first.
_NOT_LOADED = "zstandard/_cffi."
_MODULES, _NATIVE = (".py", ".so"), ".so"
#: What modules that mypyc compiled share; without both, their sources beside them are imported.
_SHARED_BY_MYPYC = "__mypyc"
_MAIN = "__main__.py"
#: What starts the program.
_START = f"{_OWN}/bundler/importing.py"
#: Neither references nor interned strings, which depend on more than the value.
_PLAIN = 0


def _below(folder: str) -> list[str]:
    """The files below a folder, relative to it, sorted."""
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder) for name in names]
    return sorted(found)


def roots(pex: str, scratch: str) -> Iterator[str]:
    """The folders that hold the packages of each distribution, sorted.

    The pex of Pants 2.17 unpacks wheels, later ones are asked not to: these go into `scratch`.
    """
    distributions = os.path.join(pex, _DEPENDENCIES)
    for name in sorted(os.listdir(distributions)):
        root = os.path.join(distributions, name)
        if os.path.isfile(root):
            wheel, root = root, os.path.join(scratch, name)
            with zipfile.ZipFile(wheel) as content:
                for member in content.namelist():
                    content.extract(member, root)
        yield root
        for folder in sorted(os.listdir(root)):
            if folder.endswith(".data"):
                spread = (os.path.join(root, folder, scheme) for scheme in _SPREAD)
                yield from filter(os.path.isdir, spread)


def packages(pex: str, scratch: str) -> Iterator[str]:
    """The packages and modules of a loose PEX, without what it starts itself with."""
    for root in roots(pex, scratch):
        for name in sorted(os.listdir(root)):
            if not name.startswith(".") and not name.endswith(_NO_MODULES):
                yield os.path.join(root, name)
    yield os.path.join(pex, _OWN)


def _is_twin(tree: str, path: str) -> bool:
    """Whether `path` is native code of what is there as a source, too: dozens of files for speed
    that no step needs."""
    if not path.endswith(_NATIVE):
        return False
    module = path[: path.index(".", path.rfind("/") + 1)]
    return module.endswith(_SHARED_BY_MYPYC) or os.path.exists(os.path.join(tree, f"{module}.py"))


def gather(pex: str, tree: str, scratch: str) -> None:
    """`tree`: the packages side by side, and what starts the program."""
    os.makedirs(tree)
    for package in packages(pex, scratch):
        target = os.path.join(tree, os.path.basename(package))
        if os.path.isdir(package):
            shutil.copytree(package, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(package, target)
    for path in _below(tree):
        if not path.endswith(_MODULES) or path.startswith(_NOT_LOADED) or _is_twin(tree, path):
            os.unlink(os.path.join(tree, path))
    os.replace(os.path.join(tree, _START), os.path.join(tree, _MAIN))


def compile_all(tree: str) -> bool:
    """Byte code in the place of sources. Whether all could be compiled.

    It is valid by its name, whatever the time stamps are (PEP 552): sandboxes keep none.
    """
    by_name = PycInvalidationMode.UNCHECKED_HASH
    done = compileall.compile_dir(tree, quiet=1, legacy=True, invalidation_mode=by_name)
    for path in _below(tree):
        if path.endswith(".py") and not path.startswith(_HANDED_ON):
            os.unlink(os.path.join(tree, path))
    return bool(done)


def join(tree: str) -> None:
    """All modules of `tree` in JOINED, but those of packages with native code, and the start.

    The same bytes for the same modules.
    """
    paths = _below(tree)
    native = {path.split("/")[0] for path in paths if path.endswith(_NATIVE)}
    index, contents, size = {}, [], 0
    for path in paths:
        if path.split("/")[0] not in native and path != f"{_MAIN}c":
            with open(os.path.join(tree, path), "rb") as module:
                contents.append(module.read())
            index[path] = size, len(contents[-1])
            size += len(contents[-1])
            os.unlink(os.path.join(tree, path))
    head = marshal.dumps(index, _PLAIN)
    with open(os.path.join(tree, JOINED), "wb") as out:
        out.writelines([len(head).to_bytes(4, "little"), head, *contents])
    for where, _, _ in os.walk(tree, topdown=False):
        if not os.listdir(where):
            os.rmdir(where)


def main(pex: str, tree: str) -> int:
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        gather(pex, tree, scratch)
    done = compile_all(tree)
    join(tree)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
