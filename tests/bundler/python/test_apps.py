"""A PEX over a sysroot: what comes into the image."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.bundler.plan import Plan
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.bundler.elf_builder import Spec, build
from tests.bundler.rootfs import Root

from .pexes import SIX, pex

LIBRARY = "/usr/lib/python3.11"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path / "root")
    for name in ("bin", "lib", "lib64"):
        root.directory(f"/usr/{name}")
        root.link(f"/{name}", f"usr/{name}")
    root.glibc()
    for name in ("libc.so.6", "libffi.so.8", "libx.so.1"):
        root.elf(f"/usr/lib/tri/{name}", soname=name.encode())
    root.program("/usr/bin/python3.11", b"libc.so.6", payload=b"\0003.11.2\0")
    root.link("/usr/bin/python3", "python3.11")
    for name in (
        "os.py", "json/__init__.py", "json/tests/x.py", "test/x.py", "idlelib/x.py",
        "__pycache__/os.cpython-311.pyc", "ensurepip/_bundled/pip.whl", "turtle.py",
        "unittest/test/x.py", "lib2to3/x.py", "dist-packages/x.py", "testing.py",
    ):  # fmt: skip
        root.file(f"{LIBRARY}/{name}", b"# " + name.encode())
    dynload = f"{LIBRARY}/lib-dynload"
    root.elf(f"{dynload}/_ctypes.cpython-311-x86_64-linux-gnu.so", b"libffi.so.8")
    root.elf(f"{dynload}/_tkinter.cpython-311-x86_64-linux-gnu.so", b"libtk8.6.so")
    return root


def plan(root: Root, tmp_path: Path, made: Path, **fields: Any) -> Plan:
    tree = {"root": str(made.parent), "origin": "//a:app", "role": "pex", "primary": True}
    raw = {"version": 1, "address": "//a:image", "trees": [tree], **fields}
    wanted = request.parse({**raw, "sysroot": {"kind": "dir", "root": str(root.folder)}})
    (tmp_path / "scratch").mkdir(exist_ok=True)
    sysroot = DirSysroot(str(root.folder).encode())
    return planner.build(wanted, sysroot, str(tmp_path / "scratch"), str(tmp_path / "blobs"))


def app(tmp_path: Path, wheels: dict[str, dict[str, bytes]] | None = None, **info: Any) -> Path:
    (tmp_path / "pex").mkdir(exist_ok=True)
    code = {"app.py": b"def main(): pass\n"}
    return pex(tmp_path / "pex" / "app.pex", "zipapp", code, wheels, entry_point="app:main", **info)


def test_the_interpreter_the_library_and_what_they_load(root: Root, tmp_path: Path) -> None:
    made = plan(root, tmp_path, app(tmp_path))
    paths = {entry.path.decode() for entry in made.entries}
    assert made.entrypoint == ["/usr/bin/python3", "-s", "/app/__main__.py"]
    assert {"/app/__main__.py", "/app/src/app.py", "/app/lib/six.py"} <= paths
    assert {"/usr/bin/python3", "/usr/bin/python3.11", "/usr/lib/tri/libffi.so.8"} <= paths
    library = {path[len(LIBRARY) + 1 :] for path in paths if path.startswith(LIBRARY + "/")}
    assert library == {
        "os.py", "json/__init__.py", "testing.py",
        "lib-dynload/_ctypes.cpython-311-x86_64-linux-gnu.so",
    }  # fmt: skip


def test_options_of_the_interpreter_that_the_pex_has(root: Root, tmp_path: Path) -> None:
    made = plan(root, tmp_path, app(tmp_path, inject_python_args=["-X", "utf8"]))
    assert made.entrypoint == ["/usr/bin/python3", "-s", "-X", "utf8", "/app/__main__.py"]


def test_all_of_the_library(root: Root, tmp_path: Path) -> None:
    made = plan(root, tmp_path, app(tmp_path), python_stdlib="all", allowed_missing=["libtk8.6.so"])
    paths = {entry.path.decode() for entry in made.entries}
    assert {f"{LIBRARY}/{name}" for name in ("test/x.py", "idlelib/x.py", "turtle.py")} <= paths
    assert not any("__pycache__" in path for path in paths)


def test_another_place_and_another_interpreter(root: Root, tmp_path: Path) -> None:
    root.program("/opt/py/bin/python3.12", b"libc.so.6")
    root.file("/opt/py/lib/python3.12/os.py", b"")
    made = plan(
        root, tmp_path, app(tmp_path), install_to="/srv", executables=["/opt/py/bin/python3.12"]
    )
    assert made.entrypoint == ["/opt/py/bin/python3.12", "-s", "/srv/__main__.py"]
    assert "/opt/py/lib/python3.12/os.py" in {entry.path.decode() for entry in made.entries}


def test_a_wheel_with_native_code_brings_its_libraries(root: Root, tmp_path: Path) -> None:
    wheels = {
        "n-1-cp311-cp311-manylinux2014_x86_64.whl": {
            "n/_n.so": build(Spec(needed=[b"libown.so.1", b"libx.so.1"],
                                  runpath=b"$ORIGIN/../n.libs")),
            "n.libs/libown.so.1": build(Spec(soname=b"libown.so.1")),
        }
    }  # fmt: skip
    made = plan(root, tmp_path, app(tmp_path, wheels))
    assert "/usr/lib/tri/libx.so.1" in {entry.path.decode() for entry in made.entries}


def codes(root: Root, tmp_path: Path, made: Path, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(Problems) as caught:
        plan(root, tmp_path, made, **fields)
    return [(error.code, error.problem) for error in caught.value.errors]


def test_what_does_not_fit_is_told(root: Root, tmp_path: Path) -> None:
    wheels: dict[str, dict[str, bytes]] = {
        "n-1-cp312-cp312-linux_x86_64.whl": {"n.py": b""},
        "m-1-cp311-cp311-manylinux_2_38_x86_64.whl": {"m.py": b""},
    }  # fmt: skip
    made = app(tmp_path, wheels, interpreter_constraints=["CPython<3.10"])
    found = codes(root, tmp_path, made)
    assert [code for code, _ in found] == ["MINIMG-E044"] * 3
    assert "the sysroot has Python 3.11.2" in found[0][1]
    assert "manylinux_2_38_x86_64 on glibc 2.36" in " ".join(problem for _, problem in found)


def test_no_python(root: Root, tmp_path: Path) -> None:
    (root.folder / "usr/bin/python3").unlink()
    ((code, problem),) = codes(root, tmp_path, app(tmp_path))
    assert code == "MINIMG-E043" and "the sysroot has no Python" in problem


def test_an_interpreter_without_its_library(root: Root, tmp_path: Path) -> None:
    (root.folder / LIBRARY.lstrip("/") / "os.py").unlink()
    ((code, problem),) = codes(root, tmp_path, app(tmp_path))
    assert code == "MINIMG-E043" and "has no standard library" in problem


def test_of_a_pex_for_several_pythons_the_fitting_wheels(root: Root, tmp_path: Path) -> None:
    wheels = {
        "n-2-cp39-cp39-linux_x86_64.whl": {"n.py": b"old = 1\n"},
        "n-3-cp311-cp311-linux_x86_64.whl": {"n.py": b"new = 1\n"},
    }  # fmt: skip
    made = plan(root, tmp_path, app(tmp_path, wheels))
    (entry,) = [entry for entry in made.entries if entry.path == b"/app/lib/n.py"]
    assert entry.content == hashlib.sha256(b"new = 1\n").hexdigest()


def test_of_a_pex_for_several_glibcs_the_newest_that_is_there(root: Root, tmp_path: Path) -> None:
    wheels = {
        f"n-1-cp311-cp311-manylinux_2_{minor}_x86_64.whl": {"n.py": b"minor = %d\n" % minor}
        for minor in (17, 28, 38)
    }
    made = plan(root, tmp_path, app(tmp_path, wheels))
    (entry,) = [entry for entry in made.entries if entry.path == b"/app/lib/n.py"]
    assert entry.content == hashlib.sha256(b"minor = 28\n").hexdigest()


def test_what_the_python_does_not_need_is_left_out(root: Root, tmp_path: Path) -> None:
    wheels = {
        "n-1-cp39-cp39-linux_x86_64.whl": {"n.py": b""},
        "six-1.0-py2.py3-none-any.whl": SIX,
    }
    asked = ["six==1.0", "n==1; python_version < '3.10'"]
    made = plan(root, tmp_path, app(tmp_path, wheels, requirements=asked))
    paths = {entry.path for entry in made.entries}
    assert b"/app/lib/six.py" in paths and b"/app/lib/n.py" not in paths
    assert made.log[-1] == (
        "n-1-cp39-cp39-linux_x86_64.whl of //a:app is left out: Python 3.11 of the sysroot does "
        "not need it (the PEX asks for n==1; python_version < '3.10')."
    )


def test_what_it_needs_and_the_pex_lacks(root: Root, tmp_path: Path) -> None:
    made = app(tmp_path, {}, requirements=["n; os_name == 'posix'"])
    assert codes(root, tmp_path, made) == [
        (
            "MINIMG-E044",
            "the PEX needs n; os_name == 'posix' on Python 3.11, and the PEX does not hold it",
        )
    ]


def test_a_pex_that_may_lack_some(root: Root, tmp_path: Path) -> None:
    assert plan(root, tmp_path, app(tmp_path, {}, requirements=["n"], ignore_errors=True))
