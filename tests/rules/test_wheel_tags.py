"""Which wheels an interpreter takes, beside what `packaging` says of the one that runs this."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import pytest
from packaging import markers, tags

from pants_plugin_minimg.subsystems import wheel_tags

#: Of older systems than the lock has wheels for, and of other kinds of machine.
LEFT_OUT = ("manylinux1_", "manylinux2010_", *(f"manylinux_2_{minor}_" for minor in range(17)))
OF_KERNEL = {"platform_release", "platform_version"}


def test_they_are_those_of_packaging_in_its_order() -> None:
    expected = [
        str(tag)
        for tag in tags.sys_tags()
        if not tag.platform.startswith(LEFT_OUT) and not str(tag).startswith("py2")
    ]
    found = json.loads(wheel_tags.complete_platform())["compatible_tags"]
    known = set(found)
    # Versions of `packaging` differ about this one.
    assert found[: len(expected)].count(own := f"cp3{sys.version_info[1]}-none-any") == 1
    assert [tag for tag in found if tag != own] == [
        tag for tag in expected if tag in known and tag != own
    ]
    # Pure modules for one version of Python and one kind of machine: nobody makes such wheels.
    missing = {tag for tag in expected if tag not in known}
    assert all(tag.startswith("py3") and not tag.startswith("py3-") for tag in missing), missing


def test_markers() -> None:
    expected = markers.default_environment()
    found = wheel_tags.markers()
    assert set(expected) - set(found) - {"extra"} == OF_KERNEL
    assert all(expected[name] == value for name, value in found.items())


def test_it_runs_by_its_text_alone() -> None:
    program = files("pants_plugin_minimg.subsystems").joinpath("wheel_tags.py").read_text()
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(wheel_tags.complete_platform())


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        (19, ["manylinux_2_19_m", "manylinux_2_18_m", "manylinux_2_17_m", "manylinux2014_m"]),
        (16, []),
        (None, []),
    ],
)
def test_what_the_c_library_decides(minor: int | None, expected: list[str]) -> None:
    assert list(wheel_tags.platforms("m", minor)) == [*expected, "linux_m"]
