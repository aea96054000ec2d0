"""Which part of the standard library an app can come to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.plan import Plan
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.python import reachable, scanner
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.requirements import unavailable

from .pexes import pex


@pytest.mark.parametrize(
    "source,own,lines",
    [
        ("import a.b, c as d", False, ["import a.b", "import c"]),
        ("from a import b, c", False, ["from 0 a b", "from 0 a c"]),
        ("from .. import b", False, ["from 2 . b"]),
        ("def f():\n    try:\n        import a\n    except E:\n        pass", False, ["import a"]),
        ("if __name__ == '__main__':\n    import a\nelse:\n    import b", False, ["import b"]),
        ("if typing.TYPE_CHECKING:\n    import a", False, []),
        ("def _test():\n    import doctest", False, []),
        ("def _test():\n    import doctest", True, ["import doctest"]),
        ("importlib.import_module('a.b')", False, ["import a.b"]),
        ("\n__import__(name)", False, ["dynamic 2"]),
        ("importlib.import_module(name=x)", False, ["dynamic 1"]),
        ("x = 'logging.handlers.Syslog'", True, ["text logging.handlers.Syslog"]),
        ("x = 'logging.handlers.Syslog'", False, []),
        ("x = 'a b.c', 'json', '.'", True, []),
    ],
)
def test_what_a_source_imports(source: str, own: bool, lines: list[str]) -> None:
    assert sorted(scanner.found(source.encode(), own)) == sorted(lines)


@pytest.mark.parametrize(
    "module,is_package,level,base,expected",
    [
        ("", False, 0, "a.b", "a.b"),
        ("", False, 1, "a", ""),
        ("json.decoder", False, 1, "scanner", "json.scanner"),
        ("json", True, 1, "scanner", "json.scanner"),
        ("json", True, 1, "", "json"),
        ("xml.dom.minidom", False, 2, "sax", "xml.sax"),
        ("json", False, 3, "x", ""),
    ],
)
def test_relative_names(
    module: str, is_package: bool, level: int, base: str, expected: str
) -> None:
    assert reachable._absolute(module, is_package, level, base) == expected


def test_the_closure_follows_parents_and_what_is_hidden() -> None:
    modules = frozenset({"a", "a.b", "c", "sysconfig", "_sysconfigdata_x", "site", "readline"})
    imports: dict[str, set[str]] = {name: set() for name in modules}
    imports["a.b"] = {"sysconfig", "unknown"}
    imports["site"] = {"readline", "c"}
    reached = reachable._closure(["a.b", "site"], imports, modules)
    assert reached == {"a", "a.b", "sysconfig", "_sysconfigdata_x", "site", "c"}


def planned(tmp_path: Path, code: bytes, wheels: dict[str, dict[str, bytes]]) -> Plan:
    if not Path("/usr/bin/python3").exists():
        unavailable("there is no /usr/bin/python3")
    made = pex(tmp_path / "app.pex", "zipapp", {"app.py": code}, wheels, entry_point="app:main")
    folder = tmp_path / "built"
    folder.mkdir()
    made.rename(folder / "app.pex")
    raw = {
        "version": 1,
        "address": "//a:image",
        "python_stdlib": "reachable",
        "trees": [{"root": str(folder), "origin": "//a", "role": "pex", "primary": True}],
    }
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return planner.build(
        request.parse(raw), DirSysroot(b"/"), str(scratch), str(tmp_path / "blobs")
    )


def test_an_app_on_this_machines_python(tmp_path: Path) -> None:
    code = b"import json, importlib\nHANDLER = 'logging.handlers.SysLogHandler'\n"
    native = b"\x7fELF...\0wave\0json.tool\0"
    wheels = {
        "n-1-py3-none-any.whl": {
            "n/__init__.py": b"import x\nx.__import__(y)\n",
            "n/n.so": native,
            "bin/n": b"#!python\nimport graphlib\n",
        }
    }
    made = planned(tmp_path, code, wheels)
    paths = {entry.path.decode() for entry in made.entries}
    library = next(path for path in paths if path.endswith("/os.py"))[: -len("os.py")]
    for name in ("json/decoder.py", "logging/handlers.py", "encodings/latin_1.py", "runpy.py",
                 "wave.py", "json/tool.py", "graphlib.py"):  # fmt: skip
        assert library + name in paths, name
    for name in ("sqlite3/__init__.py", "turtle.py", "pydoc.py", "doctest.py", "_pydatetime.py"):
        assert library + name not in paths, name
    # From 3.14 on _decimal itself imports it, to format what it cannot.
    if int(re.findall(r"python3\.(\d+)/", library)[0]) < 14:
        assert library + "_pydecimal.py" not in paths
    assert not any("libsqlite3" in path for path in paths)
    counted, unseen = (line for line in made.log if "standard library" in line)
    assert "modules are reachable" in counted
    assert unseen.startswith("lib/n/__init__.py:2: imports by a name that the program computes")
