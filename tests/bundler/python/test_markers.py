"""Markers against a sysroot's Python, and against what `packaging` says of them."""

from __future__ import annotations

import random

import pytest
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from pants_plugin_minimg.bundler.python import markers
from pants_plugin_minimg.bundler.python.interpreter import Interpreter

PYTHON = Interpreter(b"/usr/bin/python3", (3, 11, 2), b"/usr/lib/python3.11", 62, (2, 36))
VARIABLES = markers.environment(PYTHON)


@pytest.mark.parametrize(
    "marker,extras,truth",
    [
        ("", (), True),
        ('python_version < "3.10"', (), False),
        ("python_version>='3.10'", (), True),
        ('python_full_version >= "3.11.1"', (), True),
        ('"3.12" <= python_version', (), False),
        ('"3.12" > python_version', (), True),
        ('python_version == "3.*"', (), True),
        ('python_version ~= "3.9"', (), True),
        ('python_version not in "2.7, 3.11"', (), False),
        ('sys_platform == "win32"', (), False),
        ("sys.platform != 'win32' and os.name == 'posix'", (), True),
        ('"linux" in sys_platform', (), True),
        ('platform_machine == "aarch64" or platform_machine == "x86_64"', (), True),
        ('platform_python_implementation == "PyPy"', (), False),
        ('implementation_name != "cpython"', (), False),
        ('extra == "test"', (), False),
        ('extra == "Test_All"', ("test-all",), True),
        ('extra == "a" and python_version < "3.10"', ("a",), False),
        ('extra == "a" or extra == "b"', ("c", "b"), True),
        # `and` binds closer, and what stands in brackets comes first
        ('os_name == "posix" or os_name == "nt" and os_name == "x"', (), True),
        ('(os_name == "posix" or os_name == "nt") and os_name == "x"', (), False),
        # open
        ('platform_release >= "5.0"', (), None),
        ('platform_version == "x" and os_name == "nt"', (), False),
        ('platform_version == "x" or os_name == "posix"', (), True),
        ('python_version < "3.12.0a1"', (), None),
        ('sys_platform > "l"', (), None),
        ('no_such_name == "x"', (), None),
        ("os_name ==", (), None),
        ('os_name == "a" os_name', (), None),
        ('(os_name == "posix"', (), None),
        ("os_name == os_name", (), None),
        ('"a" == "a"', (), None),
        ("!", (), None),
    ],
)
def test_markers(marker: str, extras: tuple[str, ...], truth: bool | None) -> None:
    assert markers.holds(marker, VARIABLES, extras) is truth


def test_what_the_program_does_not_tell_is_open() -> None:
    unknown = Interpreter(b"/p", (3, 11), b"/l", 9999, (2, 36))
    variables = markers.environment(unknown)
    for marker in ('python_full_version < "3.11.4"', 'platform_machine == "x86_64"'):
        assert markers.holds(marker, variables, ()) is None
    assert markers.holds('python_version == "3.11"', variables, ()) is True


def _random_marker(rng: random.Random, depth: int) -> str:
    if depth and rng.random() < 0.6:
        parts = [_random_marker(rng, depth - 1) for _ in range(rng.randint(2, 3))]
        joined = "".join(f"{part} {rng.choice(['and', 'or'])} " for part in parts[:-1]) + parts[-1]
        return f"({joined})" if rng.random() < 0.7 else joined
    name = rng.choice([name for name, value in VARIABLES.items() if value] + ["extra"])
    value = rng.choice(["3.11", "3.11.2", "3.9", "3.12", "3", "3.*", "3.11.*", "linux", "posix",
                        "x86_64", "win32", "cpython", "CPython", "a", "3.10,3.11"])  # fmt: skip
    if name == "extra":  # a name, which no version is
        value = rng.choice(["a", "b"])
    operator = rng.choice(["==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in"])
    sides = [name, f'"{value}"']
    if rng.random() < 0.3:
        sides.reverse()
    return f"{sides[0]} {operator} {sides[1]}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_agrees_with_packaging() -> None:
    """On all that it decides; and it decides most of what is written so."""
    rng = random.Random(7)
    known = {name: value for name, value in VARIABLES.items() if value is not None}
    decided = 0
    for _ in range(6000):
        marker, extra = _random_marker(rng, 2), rng.choice(["", "a"])
        ours = markers.holds(marker, VARIABLES, [extra] if extra else [])
        if ours is None:
            continue
        try:
            theirs = Marker(marker).evaluate({**known, "extra": extra})
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError):
            continue
        decided += 1
        assert ours is theirs, marker
    assert decided > 1000
