"""Which wheels an interpreter takes, beside what `packaging` says of the one that runs this."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

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
    ("glibc", "musl", "expected"),
    [
        (19, None, ["manylinux_2_19_m", "manylinux_2_18_m", "manylinux_2_17_m", "manylinux2014_m"]),
        (16, None, []),
        (None, 3, ["musllinux_1_3_m", "musllinux_1_2_m"]),
        (None, 1, []),
        (None, None, []),
    ],
)
def test_what_the_c_library_decides(
    glibc: int | None, musl: int | None, expected: list[str]
) -> None:
    assert list(wheel_tags.platforms("m", glibc, musl)) == [*expected, "linux_m"]


def test_on_musl_they_are_those_of_packaging_in_its_order() -> None:
    where = list(wheel_tags.platforms("x86_64", None, 2))
    known = set(wheel_tags.tags(12, where))
    expected = [
        *tags.cpython_tags((3, 12), abis=["cp312"], platforms=where),
        *tags.compatible_tags((3, 12), interpreter="cp312", platforms=where),
    ]
    assert [str(tag) for tag in expected if str(tag) in known] == list(wheel_tags.tags(12, where))


def test_free_threaded_builds_take_no_modules_of_others() -> None:
    found = list(wheel_tags.tags(13, ["linux_m"], threaded=True))
    assert found[:2] == ["cp313-cp313t-linux_m", "cp313-none-linux_m"]
    assert not any("abi3" in tag for tag in found)


@pytest.mark.parametrize("name", ["ld-musl-m.so.1", "libc.so"])
def test_musl_says_its_version(tmp_path: Path, name: str) -> None:
    loader = tmp_path / name
    loader.write_text("#!/bin/sh\nprintf 'musl libc (m)\\nVersion 1.2.5\\nUsage\\n' >&2\nexit 1\n")
    loader.chmod(0o755)
    maps = tmp_path / "maps"
    maps.write_text(
        f"7f00-7f01 r--p 00000000 08:01 1234      {sys.executable}\n7f01-7f02 rw-p 0 0:0 0\n"
    )
    assert wheel_tags.musl_minor(str(maps)) is None
    with maps.open("a") as file:
        file.write(f"7f02-7f03 r-xp 00000000 08:01 1235      {loader}\n")
    assert wheel_tags.musl_minor(str(maps)) == 2
    loader.unlink()
    assert wheel_tags.musl_minor(str(maps)) is None


def test_glibc_is_not_musl(tmp_path: Path) -> None:
    assert wheel_tags.glibc_minor() is None or wheel_tags.musl_minor() is None
    assert wheel_tags.musl_minor(str(tmp_path / "no-proc")) is None
