"""Byte code: made by the sysroot's own Python, the same bytes whatever is around it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Plan
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.python import compiler
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.requirements import program, unavailable

from .pexes import pex
from .test_apps import app, plan, root  # noqa: F401

SOURCES = {
    "a.py": b"def f(x):\n    return x in {'b', 'a', 'c'}\n",
    "b.py": b"import sys\nNAME = ('a', 'b', 2**70, b'x', ...)\n",
    "broken.py": b"print 'no'\n",
    "latin.py": b"# -*- coding: latin-1 -*-\nTEXT = '\xe9'\n",
    "odd.py": b"x = '\\d'\n",
}
COMPILER = compiler.__file__


def made(folder: Path, at_once: int, sources: dict[str, bytes]) -> dict[str, bytes]:
    """What this machine's Python makes of sources, by their names."""
    folder.mkdir()
    listing = b""
    for name, content in sources.items():
        (folder / name).write_bytes(content)
        for field in (str(folder / name), f"/app/{name}", str(folder / f"{name}c")):
            listing += field.encode() + b"\0"
    (folder / "listing").write_bytes(listing)
    command = [program("python3"), "-S", COMPILER, str(folder / "listing"), str(at_once)]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "0"}, capture_output=True)
    return {path.name: path.read_bytes() for path in folder.glob("*.pyc")}


def test_the_bytes_depend_on_the_source_alone(tmp_path: Path) -> None:
    first = made(tmp_path / "one", 1, SOURCES)
    assert set(first) == {"a.pyc", "b.pyc", "latin.pyc", "odd.pyc"}, "what is no Python has none"
    again = made(tmp_path / "two", 4, {"0.py": b"NAME = f = x = 'a'\n", **SOURCES})
    assert {name: again[name] for name in first} == first


def test_it_is_hash_based_and_not_checked(tmp_path: Path) -> None:
    for content in made(tmp_path / "one", 1, SOURCES).values():
        assert content[4:8] == b"\1\0\0\0"


def test_before_3_11_sets_that_hang_on_addresses_are_left_out() -> None:
    def unordered(source: str) -> bool:
        return compiler._unordered(compile(source, "x", "exec"))

    assert unordered("def f(x):\n    return x in {None, 'a'}")
    assert unordered("x in {(1, 'a'), 'a'}")
    assert not unordered("x in {1, 'a'}\ny = (None, 2)")


def test_an_interpreter_that_does_not_run(root, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    with pytest.raises(MinimgError) as caught:
        plan(root, tmp_path, app(tmp_path), python_bytecode=True)
    assert caught.value.code == "MINIMG-E045"
    assert caught.value.subject == "/usr/bin/python3"


def planned(tmp_path: Path, name: str, exclude: tuple[str, ...] = ()) -> Plan:
    """An app on this machine's own Python, most of whose library is left out."""
    if not Path("/usr/bin/python3").exists():
        unavailable("there is no /usr/bin/python3")
    folder = tmp_path / name
    folder.mkdir()
    code = {"app.py": b"import json\n\n\ndef main():\n    print(json.__cached__, __file__)\n"}
    pex(folder / "app.pex", "loose", code, entry_point="app:main")
    raw = {
        "version": 1,
        "address": "//a:image",
        "python_bytecode": True,
        "exclude": ["/usr/lib/python3.*/[a-ik-z]*/**", *exclude],
        "trees": [
            {"root": str(folder / "app.pex"), "origin": "//a", "role": "pex", "primary": True}
        ],
    }
    scratch = folder / "scratch"
    scratch.mkdir()
    return planner.build(request.parse(raw), DirSysroot(b"/"), str(scratch), str(folder / "blobs"))


def test_beside_the_modules_of_the_app_and_of_the_library(tmp_path: Path) -> None:
    entries = {entry.path.decode(): entry for entry in planned(tmp_path, "one").entries}
    cached = [path for path in entries if path.endswith(".pyc")]
    (own,) = [path for path in cached if path.startswith("/app/src/")]
    (json,) = [path for path in cached if path.endswith(".pyc") and "/json/__pycache__/__i" in path]
    assert own.startswith("/app/src/__pycache__/app.cpython-3")
    assert entries[own].layer > entries[json].layer, "each in the layer of its source"
    assert any(path.startswith("/app/lib/__pycache__/six.cpython-3") for path in cached)
    assert entries[own].reasons == ["byte code of /app/src/app.py"]
    started = [path for path in cached if path.startswith("/app/") and "__main__" in path]
    assert not started, "what is started is never cached"


def test_it_can_be_excluded(tmp_path: Path) -> None:
    made = planned(tmp_path, "one", exclude=("/app/lib/__pycache__/*",))
    cached = [entry.path for entry in made.entries if entry.path.endswith(b".pyc")]
    assert cached and not any(path.startswith(b"/app/lib/") for path in cached)
