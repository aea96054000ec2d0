"""The source is one for every CPython from 3.9 to 3.14."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import boundaries, plugin_sources

COMPILE = """
import sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        compile(file.read(), path, "exec", dont_inherit=True)
"""
NEWEST = 14


def pythons() -> Iterator[str]:
    """Interpreters, the newest first; at last the one that runs this."""
    root = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser()) / "versions"
    for minor in range(NEWEST, sys.version_info.minor, -1):
        name = f"python3.{minor}"
        yield from (str(path) for path in sorted(root.glob(f"3.{minor}.*/bin/{name}")))
        found = shutil.which(name)
        if found is not None:
            yield found
    yield sys.executable


def newest_python() -> str:
    """The newest that does start: a name on PATH may be a shim with nothing behind it."""
    for python in pythons():
        try:
            subprocess.run([python, "-I", "-c", ""], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    raise AssertionError("not even this interpreter starts")


def test_the_plugin_is_one_language_from_3_9_to_3_14() -> None:
    found = {path: boundaries.language(text) for path, text in plugin_sources.sources().items()}
    assert not [f"{path}:{finding}" for path in found for finding in found[path]]


def test_the_newest_python_here_compiles_it_without_a_warning() -> None:
    files = [str(plugin_sources.package_folder() / path) for path in plugin_sources.sources()]
    result = subprocess.run(
        [newest_python(), "-I", "-W", "error", "-c", COMPILE, *files],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def before(*version: int) -> pytest.MarkDecorator:
    """The rest is found by any Python; the plugin's own check is that of the oldest."""
    text = ".".join(map(str, version))
    return pytest.mark.skipif(
        sys.version_info >= version, reason=f"Python {text} finds other words for it, or no fault"
    )


FUTURE = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        pytest.param("match x:\n    case 1:\n        pass", "1: ", marks=before(3, 10)),
        ("def f[T](x): pass", "1: "),
        ("except* = 1", "1: "),
        pytest.param(
            "with (open('a') as a, open('b') as b): pass\nx = f'{'a'}'", ": ", marks=before(3, 12)
        ),
        ("x = '\\d'", "invalid escape"),
        ("x = 1 is 1", "literal"),
        ("import imp", "imp is not"),
        ("from distutils.util import strtobool", "distutils.util.strtobool is not"),
        ("from collections import Mapping", "collections.Mapping is not"),
        ("import ast\nx = ast.Str", "2: ast.Str is not"),
        pytest.param(
            "def f():\n    try:\n        pass\n    finally:\n        return",
            "5: return in a finally",
            marks=before(3, 14),
        ),
        pytest.param(
            "for x in y:\n    try:\n        pass\n    finally:\n        break",
            "5: break in a finally",
            marks=before(3, 14),
        ),
        ("x: int | None = 1", "without `from __future__"),
        ("def f() -> list[int | str]: pass", "without `from __future__"),
        (FUTURE + "X = int | None", "2: a union"),
        (FUTURE + "cast(str | A, 1)", "2: a union"),
        ("x = f.__annotations__", "__annotations__"),
        ("t.extractall(x)", "filter="),
        ("class A:\n    b = functools.partial(c)", "2: a partial"),
    ],
)
def test_what_is_not_in_every_python_is_found(source: str, finding: str) -> None:
    assert [text for text in boundaries.language(source) if finding in text]


@pytest.mark.parametrize(
    "source",
    [
        FUTURE + "def f(x: int | None = None) -> A | None:\n    y: B | None = A | B",
        "def f():\n    try:\n        return\n    finally:\n        for x in y:\n            break",
        "t.extractall(x, filter='data')",
        "from collections.abc import Mapping\nx = r'\\d' + '\\n'",
        "flags = stat.A | 1",
    ],
)
def test_what_is_in_every_python_is_not(source: str) -> None:
    assert boundaries.language(source) == []
