"""A Python that is a program of an image like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.plan import Plan
from tests import requirements
from tests.bundler import implied
from tests.bundler.rootfs import Root

LIBRARY = "/opt/py/lib/python3.11"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path / "root")
    root.glibc()
    root.elf("/usr/lib/libc.so.6", soname=b"libc.so.6")
    root.program("/opt/py/bin/python3.11", b"libc.so.6")
    root.link("/opt/py/bin/python3", "python3.11")
    for name in ("os.py", "encodings/__init__.py", "json/__init__.py"):
        root.file(f"{LIBRARY}/{name}")
    root.file("/app/run", b"#!/opt/py/bin/python3\n", 0o755)
    return root


def said(made: Plan) -> list[str]:
    return [line for line in made.log if "standard library" in line]


@pytest.mark.parametrize("program", ["/opt/py/bin/python3", "/app/run"])
def test_without_its_library_the_log_says_what_to_add(
    root: Root, tmp_path: Path, program: str
) -> None:
    (line,) = said(implied.plan(root.folder, tmp_path, executables=[program]))
    assert line.startswith("/opt/py/bin/python3.11 does not start without its standard library")
    assert f'add `include=["{LIBRARY}"]`' in line


@pytest.mark.parametrize("kept", [LIBRARY, f"{LIBRARY}/encodings"])
def test_with_it_nothing_is_said(root: Root, tmp_path: Path, kept: str) -> None:
    made = implied.plan(root.folder, tmp_path, executables=["/app/run"], include=[kept])
    assert not said(made)


def test_what_is_called_python_and_has_no_library(root: Root, tmp_path: Path) -> None:
    root.program("/bin/python3", b"libc.so.6")
    assert not said(implied.plan(root.folder, tmp_path, executables=["/bin/python3"]))


def test_hints_can_be_turned_off(root: Root, tmp_path: Path) -> None:
    made = implied.plan(root.folder, tmp_path, executables=["/app/run"], hints=False)
    assert not said(made)


def test_this_machines_starts_with_what_the_line_adds(tmp_path: Path) -> None:
    program = requirements.program("/usr/bin/python3")

    def plan(include: list[str]) -> Plan:
        fields = {"include": include, "allowed_missing": ["libtk8.6.so"]}
        return implied.plan(Path("/"), tmp_path, executables=[program], **fields)

    (line,) = said(implied.plan(Path("/"), tmp_path, executables=[program]))
    (folder,) = line.partition('include=["')[2].split('"')[:1]
    words = ("-I", "-c", "import json; print('started')")
    assert implied.run(plan([]), tmp_path, *words, program=program) == "exit 1"
    assert implied.run(plan([folder]), tmp_path, *words, program=program) == "started"
