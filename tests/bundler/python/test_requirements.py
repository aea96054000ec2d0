"""What of a PEX a sysroot's Python needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.python import requirements
from pants_plugin_minimg.bundler.python.interpreter import Interpreter

PYTHON = Interpreter(b"/usr/bin/python3", (3, 11, 2), b"/usr/lib/python3.11", 62, (2, 36))


@pytest.mark.parametrize(
    "text,project,extras,marker",
    [
        ("A_b.c==1.0", "a-b-c", set(), ""),
        ("a [x, Y_z] >=1,<2 ; python_version<'3'", "a", {"x", "y-z"}, "python_version<'3'"),
        ("a (>=1.0) ; extra == 'q'", "a", set(), "extra == 'q'"),
        ("a[] @ https://x/y;z.whl ; os_name == 'nt'", "a", set(), "os_name == 'nt'"),
        ("a @ file:///x", "a", set(), ""),
    ],
)
def test_parts_of_a_requirement(text: str, project: str, extras: set[str], marker: str) -> None:
    found = requirements.parse(text)
    assert (found.project, set(found.extras), found.marker) == (project, extras, marker)


@pytest.mark.parametrize("text", ["", "./a.whl", "-r x"])
def test_what_is_no_requirement(text: str) -> None:
    with pytest.raises(ValueError):
        requirements.parse(text)


def needed(tmp_path: Path, roots: list[str], **requires: list[str]) -> requirements.Needed:
    """Of a wheel of each project, which requires that."""
    wheels = {}
    for project, lines in requires.items():
        folder = tmp_path / project
        (folder / f"{project}-1.dist-info").mkdir(parents=True)
        text = "".join(f"Requires-Dist: {line}\n" for line in lines)
        (folder / f"{project}-1.dist-info/METADATA").write_text(
            f"Name: {project}\nVersion: 1\n{text}\nRequires-Dist: in-the-text\n"
        )
        wheels[f"{project}-1-py3-none-any.whl"] = str(folder)
    return requirements.needed(roots, wheels, PYTHON)


def projects(found: requirements.Needed) -> list[str]:
    return [name.partition("-")[0] for name in found.distributions]


def test_markers_of_the_pex_and_of_what_it_requires(tmp_path: Path) -> None:
    found = needed(
        tmp_path,
        ["a==1", "old; python_version < '3.9'"],
        a=["b>=1", "win; sys_platform == 'win32'", "c; python_version >= '3.11'"],
        b=["deep"], c=[], deep=["a"], old=["of_old"], of_old=[], win=[],
    )  # fmt: skip
    assert projects(found) == ["a", "b", "c", "deep"]
    assert dict(found.left_out) == {
        "old-1-py3-none-any.whl": "the PEX asks for old; python_version < '3.9'",
        "of_old-1-py3-none-any.whl": "nothing asks for it",
        "win-1-py3-none-any.whl": "a-1-py3-none-any.whl asks for win; sys_platform == 'win32'",
    }
    assert found.missing == ()


def test_extras_are_of_who_asks(tmp_path: Path) -> None:
    found = needed(
        tmp_path,
        ["a[one]", "b"],
        a=["x; extra == 'one'", "y; extra == 'two'", "a[three]"],
        b=["z; extra == 'one'", "a"],
        x=["v; extra == 'one'"], y=[], z=[], v=[], w=[],
    )  # fmt: skip
    assert projects(found) == ["a", "b", "x"]


def test_what_is_asked_for_and_not_there(tmp_path: Path) -> None:
    found = needed(
        tmp_path,
        ["a", "gone; platform_release != 'x'"],
        a=["tomli>=1; python_version<'3.12'", "win; os_name=='nt'", "b; platform_version=='x'"],
        b=["c"],
    )
    assert projects(found) == ["a", "b"]
    assert found.missing == (("tomli>=1; python_version<'3.12'", "a-1-py3-none-any.whl"),)


@pytest.mark.parametrize("roots", [[], ["a", "./no requirement"]])
def test_all_stay_where_nothing_tells(tmp_path: Path, roots: list[str]) -> None:
    found = needed(tmp_path, roots, a=[], b=["c"])
    assert projects(found) == ["a", "b"] and not found.left_out and not found.missing


def test_a_distribution_without_metadata(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = requirements.needed(["A"], {"a-1-py3-none-any.whl": str(tmp_path / "a")}, PYTHON)
    assert projects(found) == ["a"]
