"""Constraints and tags against an interpreter."""

from __future__ import annotations

import pytest

from pants_plugin_minimg.bundler.python.compatibility import check, chosen, misfit, satisfies
from pants_plugin_minimg.bundler.python.interpreter import Interpreter

PYTHON = Interpreter(b"/usr/bin/python3", (3, 11, 2), b"/usr/lib/python3.11", 62, (2, 36))


@pytest.mark.parametrize(
    "constraint,version,fits",
    [
        ("CPython>=3.9,<3.12", (3, 11, 2), True),
        ("CPython>=3.9,<3.11", (3, 11, 2), False),
        ("CPython==3.11.*", (3, 11, 2), True),
        ("CPython==3.11.*", (3, 12, 0), False),
        (">=3.11.4", (3, 11, 2), False),
        (">=3.11.4", (3, 11), True),  # the third part is not known
        (">=3.11.4,<3.11.3", (3, 11), False),
        ("==3.11.2", (3, 11, 2), True),
        ("==3.11", (3, 11, 2), False),
        ("~=3.9", (3, 11, 2), True),
        ("~=3.9.1", (3, 11, 2), False),
        ("~=3.11.1", (3, 11, 2), True),
        ("!=3.11.*", (3, 11, 2), False),
        ("!=3.11.1", (3, 11, 2), True),
        (">3.11.2", (3, 11, 2), False),
        ("CPython", (3, 11, 2), True),
        ("PyPy>=3.9", (3, 11, 2), False),
        (">=three", (3, 11, 2), False),
    ],
)
def test_constraints(constraint: str, version: tuple[int, ...], fits: bool) -> None:
    assert satisfies(constraint, version) is fits


@pytest.mark.parametrize(
    "tags,problem",
    [
        ("py3-none-any", None),
        ("py2.py3-none-any", None),
        ("py2-none-any", "py2-none on a sysroot with Python 3.11"),
        ("py311-none-any", None),
        ("py312-none-any", "py312-none on a sysroot with Python 3.11"),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", None),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312 on a sysroot with Python 3.11"),
        ("cp310-cp310-linux_x86_64", "cp310-cp310 on a sysroot with Python 3.11"),
        ("cp37-abi3-manylinux2010_x86_64", None),
        ("cp312-abi3-manylinux2010_x86_64", "cp312-abi3 on a sysroot with Python 3.11"),
        ("cp311-cp311-manylinux_2_38_x86_64", "manylinux_2_38_x86_64 on glibc 2.36"),
        ("cp311-cp311-manylinux_2_38_x86_64.manylinux2014_x86_64", None),
        ("cp311-cp311-manylinux2014_aarch64", "manylinux2014_aarch64 on a sysroot for x86_64"),
        ("cp311-cp311-musllinux_1_1_x86_64", "musllinux_1_1_x86_64 on a sysroot with glibc"),
        ("cp311-cp311-macosx_11_0_x86_64", "macosx_11_0_x86_64 is not for Linux"),
        ("cp311-cp311-win_amd64", "win_amd64 on a sysroot for x86_64"),
        ("cp311-cp311t-linux_x86_64", "cp311-cp311t on a sysroot with Python 3.11"),
        ("cp311-cp311d-linux_x86_64", "cp311-cp311d on a sysroot with Python 3.11"),
        ("cp311-cp311.cp311t-linux_x86_64", None),
        ("pp39-pypy39_pp73-linux_x86_64", "pp39-pypy39_pp73 on a sysroot with Python 3.11"),
    ],
)
def test_tags(tags: str, problem: str | None) -> None:
    assert misfit(f"name-1.0-{tags}.whl", PYTHON) == problem
    assert misfit(f"name-1.0-1-{tags}.whl", PYTHON) == problem


def test_musl() -> None:
    wheel, musl = "n-1-cp311-cp311-{}_x86_64.whl", PYTHON._replace(glibc=None)
    assert misfit(wheel.format("musllinux_1_2"), musl) is None
    told = misfit(wheel.format("manylinux2014"), musl)
    assert told == "manylinux2014_x86_64 on a sysroot with musl"


def test_each_problem_is_told() -> None:
    wheels = ["a-1-py3-none-any.whl", "b-1-cp312-cp312-linux_x86_64.whl", "odd name"]
    first, second = check(PYTHON, ["CPython==3.9.*", "CPython>=3.12"], wheels, "//a:b")
    assert {first.code, second.code} == {"MINIMG-E044"}
    assert first.problem == (
        "it is for CPython==3.9.* or CPython>=3.12, and the sysroot has Python 3.11.2"
    )
    assert second.problem.startswith("b-1-cp312-cp312-linux_x86_64.whl: cp312-cp312 on a sysroot")


@pytest.mark.parametrize(
    "wheels,taken",
    [
        (["a-1-cp39-cp39-linux_x86_64", "a-1-cp311-cp311-linux_x86_64"], 1),
        (["a-2-py3-none-any", "a-10-py3-none-any"], 1),
        (["a-2-py3-none-any", "a-3-cp312-cp312-linux_x86_64"], 0),
        (["a-1-py3-none-any", "a-1-cp39-abi3-linux_x86_64"], 1),
        (["a-1-cp39-abi3-linux_x86_64", "a-1-cp311-cp311-linux_x86_64"], 1),
        (["a-1-cp311-cp311-linux_aarch64", "a-1-cp311-cp311-linux_x86_64"], 1),
        (["a-1-cp311-cp311-musllinux_1_1_x86_64", "a-1-cp311-cp311-manylinux2014_x86_64"], 1),
        (["a-1-cp311-cp311-manylinux_2_17_x86_64", "a-1-cp311-cp311-manylinux_2_38_x86_64"], 0),
        (["a-1-cp311-cp311-manylinux_2_17_x86_64", "a-1-cp311-cp311-manylinux_2_36_x86_64"], 1),
        (["a-1-cp39-cp39-linux_x86_64", "a-2-cp39-cp39-linux_x86_64"], 1),  # for `check` to tell
        (["a-1-cp311-cp311t-linux_x86_64", "a-1-cp311-cp311-linux_x86_64"], 1),
        (["A_b-1-py3-none-any", "a.b-1.post1-py3-none-any"], 1),
        (["a-1rc1-py3-none-any", "a-1-py3-none-any"], 1),
        (["a-1.dev2-py3-none-any", "a-1a1-py3-none-any"], 1),
        (["a-9-py3-none-any", "a-1!1-py3-none-any"], 1),
        (["a-1.0-py3-none-any", "a-1.0.1-py3-none-any"], 1),
    ],
)
def test_one_wheel_of_a_project_is_taken(wheels: list[str], taken: int) -> None:
    names = [f"{wheel}.whl" for wheel in wheels]
    for each in (names, names[::-1]):
        assert chosen(each, PYTHON) == [names[taken]]


def test_other_projects_stay_and_musl_takes_its_own() -> None:
    names = [
        "a-1-cp311-cp311-musllinux_1_1_x86_64.whl", "a-1-cp311-cp311-manylinux2014_x86_64.whl",
        "b-1-py3-none-any.whl", "no wheel",
    ]  # fmt: skip
    musl = PYTHON._replace(glibc=None)
    assert chosen(names, musl) == [names[0], names[2], names[3]]
