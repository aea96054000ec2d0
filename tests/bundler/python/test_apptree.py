"""What a PEX becomes, run by this interpreter."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.python import apptree, pexfile

from .pexes import LAYOUTS, SIX, TOOL, pex

APP = {
    "app/__init__.py": b"",
    "app/main.py": (
        b"import os, sys, six\n\n\ndef run():\n"
        b"    print('hello', six.VERSION, sys.argv[1:], os.environ.get('V'), __name__)\n"
        b"    return 3\n\n\nif __name__ == '__main__':\n    sys.exit(run())\n"
    ),
    "app/__pycache__/main.cpython-39.pyc": b"stale",
    "app/data.txt": b"data",
}
WHEELS = {"tool-1.0-py3-none-any.whl": TOOL, "six-1.0-py2.py3-none-any.whl": SIX}


def built(path: Path, tmp_path: Path) -> apptree.AppTree:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = pexfile.unpack(str(path), "//a:pex", str(scratch))
    return apptree.build(found, "//a:pex", str(tmp_path / "out"))


def run(tree: apptree.AppTree, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-s", "-B", f"{tree.folder}/__main__.py", *arguments],
        capture_output=True,
        text=True,
        cwd="/",
        env={},
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_becomes_the_same_tree_that_runs(layout: str, tmp_path: Path) -> None:
    made = pex(tmp_path / "app.pex", layout, APP, WHEELS, entry_point="app.main:run")
    tree = built(made, tmp_path)
    files = sorted(
        str(path.relative_to(tree.folder))
        for path in Path(tree.folder).rglob("*")
        if path.is_file()
    )
    assert files == [
        "__main__.py", "lib/six-1.0.dist-info/METADATA", "lib/six.py",
        "lib/tool-1.0.dist-info/entry_points.txt", "lib/tool/__init__.py", "lib/tool/cli.py",
        "src/app/__init__.py", "src/app/data.txt", "src/app/main.py",
    ]  # fmt: skip
    assert run(tree, "a", "b") == (3, "hello 1 ['a', 'b'] None app.main")
    assert tree.distributions == ("six-1.0-py2.py3-none-any.whl", "tool-1.0-py3-none-any.whl")


@pytest.mark.parametrize(
    "info,expected",
    [
        ({"entry_point": "app.main"}, (3, "hello 1 ['x'] None __main__")),
        ({"script": "the-tool"}, (4, "tool ['x']")),
        (
            {"entry_point": "app.main:run", "inject_args": ["-v"], "inject_env": {"V": "w"}},
            (3, "hello 1 ['-v', 'x'] w app.main"),
        ),
    ],
)
def test_what_it_starts(info: dict[str, Any], expected: tuple[int, str], tmp_path: Path) -> None:
    made = pex(tmp_path / "app.pex", "zipapp", APP, WHEELS, **info)
    assert run(built(made, tmp_path), "x") == expected


def test_a_script_that_a_wheel_ships_as_a_file(tmp_path: Path) -> None:
    script = b"import six, sys\nprint('script', six.VERSION)\nsys.exit(5)\n"
    wheels = {
        "six-1.0-py2.py3-none-any.whl": SIX,
        "s-1.0-py3-none-any.whl": {".prefix/bin/the-script": script},
        "t-1.0-py3-none-any.whl": {"t-1.0.data/purelib/t.py": b"", "t-1.0.data/data/share/t": b"t"},
    }
    made = pex(tmp_path / "app.pex", "zipapp", {}, wheels, script="the-script")
    tree = built(made, tmp_path)
    assert run(tree) == (5, "script 1")
    assert (Path(tree.folder) / "lib/t.py").exists()
    assert (Path(tree.folder) / "data/share/t").read_bytes() == b"t"


@pytest.mark.parametrize(
    "info,problem",
    [
        ({}, "it has no entry point"),
        ({"script": "gone"}, "the script 'gone' is not in the PEX"),
        ({"entry_point": "a b"}, "the entry point 'a b' is not in the PEX"),
    ],
)
def test_nothing_to_start(info: dict[str, Any], problem: str, tmp_path: Path) -> None:
    made = pex(tmp_path / "app.pex", "zipapp", APP, WHEELS, **info)
    with pytest.raises(MinimgError) as caught:
        built(made, tmp_path)
    assert caught.value.code == "MINIMG-E043" and problem in caught.value.problem


def test_distributions_that_do_not_go_together(tmp_path: Path) -> None:
    wheels = {
        "a-1-py3-none-any.whl": {"same.py": b"", "x.py": b"1"},
        "b-1-py3-none-any.whl": {"same.py": b"", "x.py": b"2"},
    }
    made = pex(tmp_path / "app.pex", "loose", APP, wheels, entry_point="x")
    with pytest.raises(MinimgError) as caught:
        built(made, tmp_path)
    assert caught.value.code == "MINIMG-E011"
    assert "a-1-py3-none-any.whl and b-1-py3-none-any.whl" in caught.value.problem


@pytest.mark.parametrize("first,second", [("x", "x/y.py"), ("x/y.py", "x")])
def test_a_file_where_another_distribution_has_a_folder(
    first: str, second: str, tmp_path: Path
) -> None:
    wheels = {"a-1-py3-none-any.whl": {first: b""}, "b-1-py3-none-any.whl": {second: b""}}
    made = pex(tmp_path / "app.pex", "loose", APP, wheels, entry_point="x")
    with pytest.raises(MinimgError) as caught:
        built(made, tmp_path)
    assert caught.value.code == "MINIMG-E011"
    assert caught.value.problem == (
        "a-1-py3-none-any.whl and b-1-py3-none-any.whl hold different files at lib/x"
    )


def test_only_records_of_an_installation_are_left_out(tmp_path: Path) -> None:
    kept = ["a/RECORD", "a/INSTALLER", "a/no_source.pyc", "a-1.dist-info/METADATA"]
    left_out = [
        "a-1.dist-info/RECORD", "a-1.dist-info/INSTALLER", "a-1.dist-info/REQUESTED",
        "a-1.dist-info/direct_url.json", "a/vendor/b-2.dist-info/RECORD", ".layout.json",
        "a/__pycache__/b.cpython-39.pyc",
    ]  # fmt: skip
    wheels = {"a-1-py3-none-any.whl": {name: b"x" for name in (*kept, *left_out)}}
    made = pex(tmp_path / "app.pex", "loose", APP, wheels, entry_point="x")
    library = Path(built(made, tmp_path).folder) / "lib"
    found = {str(path.relative_to(library)) for path in library.rglob("*") if path.is_file()}
    assert found == set(kept)


@pytest.mark.parametrize("name", ["../out", "/abs", "a/../../b"])
def test_names_that_leave_it(name: str, tmp_path: Path) -> None:
    made = pex(tmp_path / "app.pex", "zipapp", {name: b"x"}, {}, entry_point="x")
    with pytest.raises(MinimgError) as caught:
        built(made, tmp_path)
    assert caught.value.code == "MINIMG-E001" and "leaves it" in caught.value.problem
    assert not (tmp_path / "out").exists()


def test_a_folder_of_a_zip_that_leaves_it_is_passed_over(tmp_path: Path) -> None:
    """PEX writes such an entry first into each distribution of a packed PEX."""
    wheels = {"six-1.0-py2.py3-none-any.whl": {"../": b"", **SIX}}
    made = pex(tmp_path / "app.pex", "packed", APP, wheels, entry_point="app.main:run")
    assert run(built(made, tmp_path), "a") == (3, "hello 1 ['a'] None app.main")
    assert not (tmp_path / "scratch" / "six.py").exists()


def test_what_is_no_pex(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x", "y")
    (tmp_path / "bad").write_bytes(b"PK but no zip")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "PEX-INFO").write_text("[]")
    for name in ("x.zip", "bad", "list"):
        scratch = tmp_path / f"scratch-{name}"
        scratch.mkdir()
        with pytest.raises(MinimgError) as caught:
            pexfile.unpack(str(tmp_path / name), "//a:pex", str(scratch))
        assert caught.value.code == "MINIMG-E001"
