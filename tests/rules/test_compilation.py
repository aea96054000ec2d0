"""What becomes of a loose PEX: few files, of byte code that any time stamp is right for."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from pants_plugin_minimg.subsystems import compilation

OWN = "pants_plugin_minimg"
START = files(f"{OWN}.bundler").joinpath("importing.py").read_text()
MAIN = f"""\
import pkgutil
import sys

import native
import one
import single

SOURCE = pkgutil.get_data("{OWN}.bundler.python", "compiler.py").decode()


def start():
    print(one.__file__, native.__file__, single.NAME, SOURCE, *sys.argv[1:])
    sys.exit(3)
"""
PEX = {
    ".deps/one-1.0-py3-none-any.whl/one/__init__.py": "from one import deep\n",
    ".deps/one-1.0-py3-none-any.whl/one/deep.py": "",
    ".deps/one-1.0-py3-none-any.whl/one/py.typed": "",
    ".deps/one-1.0-py3-none-any.whl/one-1.0.dist-info/METADATA": "",
    ".deps/one-1.0-py3-none-any.whl/.layout.json": "",
    ".deps/one-1.0-py3-none-any.whl/single.py": "NAME = 'single'\n",
    ".deps/two-1.0-cp39-cp39-linux.whl/native/__init__.py": "",
    ".deps/two-1.0-cp39-cp39-linux.whl/native/code.so": "machine code",
    ".deps/three-1.0-cp311-cp311-linux.whl/0123abcd__mypyc.cpython-311.so": "machine code",
    ".deps/three-1.0-cp311-cp311-linux.whl/three/__init__.py": "",
    ".deps/three-1.0-cp311-cp311-linux.whl/three/__init__.cpython-311.so": "machine code",
    ".deps/three-1.0-cp311-cp311-linux.whl/three/fast.py": "",
    ".deps/three-1.0-cp311-cp311-linux.whl/three/fast.cpython-311.so": "machine code",
    ".deps/z-1.0-cp39-cp39-linux.whl/zstandard/__init__.py": "",
    ".deps/z-1.0-cp39-cp39-linux.whl/zstandard/_cffi.cpython-39.so": "",
    ".deps/z-1.0-cp39-cp39-linux.whl/zstandard/backend_c.cpython-39.so": "",
    f"{OWN}/__init__.py": "",
    f"{OWN}/bundler/__init__.py": "",
    f"{OWN}/bundler/__main__.py": MAIN,
    f"{OWN}/bundler/importing.py": START,
    f"{OWN}/bundler/python/__init__.py": "",
    f"{OWN}/bundler/python/compiler.py": "print('for another interpreter')\n",
    ".bootstrap/pex/__init__.py": "",
    "PEX-INFO": "{}",
    "__main__.py": "raise SystemExit('that of pex')\n",
}


def make(folder: Path, *, wheels: bool = False) -> Path:
    """`wheels`: as files, as the pex of newer Pants leaves them."""
    for path, content in PEX.items():
        file = folder / "a.pex" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    if wheels:
        for unpacked in (folder / "a.pex/.deps").iterdir():
            shutil.make_archive(str(folder / "wheel"), "zip", unpacked)
            shutil.rmtree(unpacked)
            (folder / "wheel.zip").rename(unpacked)
    program = files(f"{OWN}.subsystems").joinpath("compilation.py").read_text()
    command = [sys.executable, "-s", "-S", "-c", program, "a.pex", "tree"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "tree"


def names(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


def joined(tree: Path) -> list[str]:
    content = (tree / "modules.bin").read_bytes()
    return list(marshal.loads(content[4:]))


def test_modules_are_in_one_file_and_native_packages_beside_it(tmp_path: Path) -> None:
    tree = make(tmp_path)
    assert names(tree) == {
        "__main__.pyc",
        "modules.bin",
        "native/__init__.pyc",
        "native/code.so",
        "zstandard/__init__.pyc",
        "zstandard/backend_c.cpython-39.so",
    }
    assert {path.name for path in tree.iterdir() if path.is_dir()} == {"native", "zstandard"}
    assert joined(tree) == [
        "one/__init__.pyc",
        "one/deep.pyc",
        f"{OWN}/__init__.pyc",
        f"{OWN}/bundler/__init__.pyc",
        f"{OWN}/bundler/__main__.pyc",
        f"{OWN}/bundler/python/__init__.py",
        f"{OWN}/bundler/python/__init__.pyc",
        f"{OWN}/bundler/python/compiler.py",
        f"{OWN}/bundler/python/compiler.pyc",
        "single.pyc",
        # Native code of what is a source, too, is left out.
        "three/__init__.pyc",
        "three/fast.pyc",
    ]


def test_what_comes_of_it_runs(tmp_path: Path) -> None:
    tree = make(tmp_path)
    command = [sys.executable, "-s", "-S", "-B", f"{tree.name}/__main__.pyc", "an", "argument"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    one, native, *rest = done.stdout.split()
    assert one.endswith("tree/modules.bin/one/__init__.pyc")
    assert native.endswith("tree/native/__init__.pyc")
    assert " ".join(rest) == "single print('for another interpreter') an argument"


def test_wheels_as_files_give_the_same(tmp_path: Path) -> None:
    trees = []
    for wheels in (False, True):
        folder = tmp_path / str(wheels)
        folder.mkdir()
        tree = make(folder, wheels=wheels)
        trees.append({path: (tree / path).read_bytes() for path in sorted(names(tree))})
        assert sorted(path.name for path in folder.iterdir()) == ["a.pex", "tree"]
    assert trees[0] == trees[1]


def test_modules_that_a_wheel_keeps_outside_its_root(tmp_path: Path) -> None:
    outside = tmp_path / "a.pex/.deps/one-1.0-py3-none-any.whl/one-1.0.data/purelib/one"
    outside.mkdir(parents=True)
    (outside / "more.py").write_text("")
    tree = make(tmp_path, wheels=True)
    assert {"one/__init__.pyc", "one/more.pyc"} <= set(joined(tree))


def test_its_bytes_hold_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = []
    for name, zone, when in (("a", "UTC", 1_000_000_000), ("b", "Asia/Tokyo", 1_700_000_001)):
        monkeypatch.setenv("TZ", zone)
        folder = tmp_path / name
        folder.mkdir()
        tree = make(folder)
        trees.append({path: (tree / path).read_bytes() for path in sorted(names(tree))})
        for path in (folder / "a.pex").rglob("*.py"):
            os.utime(path, (when, when))
    assert trees[0] == trees[1]
    # PEP 552: valid by its name alone.
    assert trees[0]["native/__init__.pyc"][4:8] == b"\x01\0\0\0"


def test_a_module_that_cannot_be_compiled_is_a_failure(tmp_path: Path) -> None:
    pex = tmp_path / "a.pex" / OWN
    (pex / "bundler").mkdir(parents=True)
    (tmp_path / "a.pex" / ".deps").mkdir()
    (pex / "bundler/importing.py").write_text(START)
    (pex / "wrong.py").write_text("(")
    assert compilation.main(str(tmp_path / "a.pex"), str(tmp_path / "tree")) == 1
