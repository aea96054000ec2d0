"""The sandbox tool's modules out of one file: as out of a folder."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pants_plugin_minimg.bundler import importing
from pants_plugin_minimg.bundler.importing import Modules
from pants_plugin_minimg.subsystems import compilation

DATA = "minimg_data/"
FILES = {
    "minimg_a/__init__.py": "from . import b\nfrom minimg_a.deep.c import C\n",
    "minimg_a.py": "raise AssertionError('a package of that name is before it')",
    "minimg_a/b.py": "import minimg_single\n\n\ndef fail():\n    raise LookupError('b')\n",
    "minimg_a/deep/__init__.py": "",
    "minimg_a/deep/c.py": "from ..b import minimg_single\n\nC = minimg_single.NAME\n",
    "minimg_single.py": "NAME = 'größe'\n",
    f"{DATA}__init__.py": "",
    f"{DATA}source.py": "print('kept')\n",
    "minimg_native/__init__.py": "WHERE = __file__\n",
    "minimg_native/code.so": "machine code",
    "__main__.py": "",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compilation, "_HANDED_ON", DATA)
    for path, content in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert compilation.compile_all(str(tmp_path))
    compilation.join(str(tmp_path))
    return tmp_path


@pytest.fixture
def file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file, whose modules can be imported."""
    path = tree / importing.NAME
    monkeypatch.syspath_prepend(tree)
    monkeypatch.setattr(sys, "meta_path", [Modules(str(path)), *sys.meta_path])
    yield path
    for name in [name for name in sys.modules if name.startswith("minimg_")]:
        del sys.modules[name]


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_name_is_the_one_that_is_written() -> None:
    assert importing.NAME == compilation.JOINED


def test_packages_and_modules_of_them(file: Path) -> None:
    package = load("minimg_a")
    assert package.C == "größe"
    assert package.b.minimg_single is load("minimg_single")
    assert load("minimg_a.deep.c").__package__ == "minimg_a.deep"
    assert package.__path__ == [f"{file}/minimg_a"]
    assert not hasattr(load("minimg_single"), "__path__")


def test_where_modules_say_they_are(file: Path) -> None:
    assert load("minimg_a").__file__ == f"{file}/minimg_a/__init__.pyc"
    assert load("minimg_a.b").__file__ == f"{file}/minimg_a/b.pyc"


def test_native_packages_are_found_in_the_folder_around_the_file(file: Path, tree: Path) -> None:
    assert load("minimg_native").WHERE == f"{tree}/minimg_native/__init__.pyc"


@pytest.mark.parametrize("name", ["minimg_none", "minimg_a.none", "minimg_single.none"])
def test_what_is_not_there_is_not_found(file: Path, name: str) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        load(name)
    assert caught.value.name == name


def test_data_beside_a_module(file: Path) -> None:
    assert pkgutil.get_data("minimg_data", "source.py") == b"print('kept')\n"
    with pytest.raises(FileNotFoundError, match="minimg_data/none.py: it is not there$"):
        pkgutil.get_data("minimg_data", "none.py")


def test_a_traceback_names_the_source(file: Path) -> None:
    with pytest.raises(LookupError) as caught:
        load("minimg_a.b").fail()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename.endswith("/minimg_a/b.py")
    assert (last.lineno, last.name) == (5, "fail")


def test_a_child_reads_beside_its_parent(file: Path) -> None:
    modules = Modules(str(file))
    paths = [f"{file}/{name}" for name in ("minimg_a/b.pyc", "minimg_single.pyc")] * 500
    expected = [modules.content(path) for path in paths]
    child = os.fork()
    found = [modules.content(path) for path in paths] == expected
    if child == 0:
        os._exit(0 if found else 1)
    assert found
    assert os.waitpid(child, 0)[1] == 0


def test_the_folder_may_change_meanwhile(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load("minimg_a").C == "größe"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.bin"):
        Modules(str(tmp_path / "none.bin"))


@pytest.mark.parametrize("size", [0, 3, 4, 40])
def test_a_file_that_is_cut_short_in_its_index(tree: Path, size: int) -> None:
    file = tree / importing.NAME
    os.truncate(file, size)
    with pytest.raises(OSError) as caught:
        Modules(str(file))
    assert str(caught.value) == f"{file}: it is cut short"


def test_a_file_that_is_cut_short_behind_it(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)
    load("minimg_data")
    with pytest.raises(OSError) as caught:
        load("minimg_single")
    assert str(caught.value) == f"{file}: it is cut short"
