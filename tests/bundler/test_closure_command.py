"""The `closure` command: JSON, text, exit statuses."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.commands import closure as cli_closure
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.text import path_bytes

from .elf_builder import GLIBC, Spec
from .rootfs import Root
from .versions import versioned


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    cli_closure.add_parser(parser.add_subparsers())
    options = parser.parse_args(["closure", *arguments])
    return int(options.run(options))


@pytest.fixture
def filled(root: Root) -> Root:
    root.glibc()
    root.program("/bin/git", b"libz.so.1", b"libc.so.6")
    root.elf("/usr/lib/libz.so.1.2", b"libc.so.6")
    root.link("/usr/lib/libz.so.1", "libz.so.1.2")
    root.elf("/lib/libc.so.6", b"ld-linux-x86-64.so.2")
    root.file("/bin/script", b"#!/bin/git\n", 0o755)
    root.elf("/bin/static", dynamic=False, e_type=2)
    root.file("/text", b"text")
    root.program("/bin/broken", b"libgone.so")
    return root


def answers(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = run("--json", *arguments)
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    return status, {item["path"]: item for item in document["files"]}


def test_json(filled: Root, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = answers(capsys, "--root", str(filled.folder), "/bin/git")
    assert status == 0
    assert found["/bin/git"] == {
        "path": "/bin/git",
        "interpreter": GLIBC.decode(),
        "kind": "dynamic",
        "loaded": [
            {
                "name": "libz.so.1",
                "path": "/usr/lib/libz.so.1",
                "real": "/usr/lib/libz.so.1.2",
                "by": "/bin/git",
                "via": "system",
            },
            {
                "name": "libc.so.6",
                "path": "/lib/libc.so.6",
                "real": "/lib/libc.so.6",
                "by": "/bin/git",
                "via": "system",
            },
            {
                "name": "ld-linux-x86-64.so.2",
                "path": GLIBC.decode(),
                "real": GLIBC.decode(),
                "by": "/lib/libc.so.6",
                "via": "interp",
            },
        ],
        "missing": [],
        "refused": [],
        "interpreters": [],
        "warnings": [],
        "error": None,
    }


def test_kinds_and_statuses(filled: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(filled.folder)
    status, found = answers(
        capsys, "--root", root, "/bin/script", "/bin/static", "bin/git", "/lib/libc.so.6"
    )
    assert status == 0
    assert [item["kind"] for item in found.values()] == ["script", "static", "dynamic", "dynamic"]
    assert found["/bin/script"]["interpreter"] == "/bin/git"
    status, found = answers(capsys, "--root", root, "/bin/broken", "/bin/git")
    assert status == 1
    (missing,) = found["/bin/broken"]["missing"]
    assert (missing["name"], missing["by"]) == ("libgone.so", "/bin/broken")
    assert "/usr/lib/" in missing["searched"]
    status, found = answers(capsys, "--root", root, "/text", "/nothing", "/bin/broken", "/bin/git")
    assert status == 2
    assert found["/text"]["kind"] == "not-elf"
    assert found["/text"]["error"].startswith("MINIMG-E003 /text")
    assert found["/nothing"]["error"].startswith("MINIMG-E002")
    assert len(found["/bin/git"]["loaded"]) == 3


def test_errors_go_to_standard_error(filled: Root, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--root", str(filled.folder), "/text", "/nothing") == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["MINIMG-E003", "MINIMG-E002"]
    with pytest.raises(MinimgError):
        run("--root", str(filled.folder / "absent"), "/x")


def test_missing_interpreters(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.program("/bin/main")
    root.file("/bin/script", b"#!/bin/absent\n", 0o755)
    status, found = answers(capsys, "--root", str(root.folder), "/bin/main", "/bin/script")
    assert status == 1
    assert found["/bin/main"]["missing"][0]["name"] == GLIBC.decode()
    assert found["/bin/script"]["error"].startswith("MINIMG-E006")


def test_text(filled: Root, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--root", str(filled.folder), "/bin/git", "/bin/broken", "/bin/script") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"/bin/git (dynamic, interpreter => {GLIBC.decode()})",
        "    libz.so.1 => /usr/lib/libz.so.1",
        "    libc.so.6 => /lib/libc.so.6",
        f"        ld-linux-x86-64.so.2 => {GLIBC.decode()}",
        f"/bin/broken (dynamic, interpreter => {GLIBC.decode()})",
        "    libgone.so => not found",
        "/bin/script (script, interpreter => /bin/git)",
        "    #! => /bin/git",
    ]


def test_roots_are_stacked_and_library_path_counts(
    filled: Root, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upper = Root(tmp_path / "upper")
    upper.elf("/opt/libz.so.1")
    arguments = ("--root", str(upper.folder), "--root", str(filled.folder))
    status, found = answers(capsys, *arguments, "--ld-library-path", "/opt", "/bin/git")
    assert status == 0
    first = found["/bin/git"]["loaded"][0]
    assert (first["path"], first["via"]) == ("/opt/libz.so.1", "ld_library_path")


def test_bytes_that_are_no_text(root: Root, capsys: pytest.CaptureFixture[str]) -> None:
    root.glibc()
    root.program("/bin/main", b"lib\xff\\.so")
    with open(os.fsencode(root.folder) + b"/lib64/x", "wb"):
        pass
    root.elf("/lib/plain.so")
    os.makedirs(root.on_disk("/lib"), exist_ok=True)
    os.rename(root.on_disk("/lib/plain.so"), os.fsencode(root.folder) + b"/lib/lib\xff\\.so")
    status, found = answers(capsys, "--root", str(root.folder), "/bin/main")
    assert status == 0
    path = found["/bin/main"]["loaded"][0]["path"]
    assert path == "/lib/lib\\xff\\\\.so"
    assert path_bytes(path) == b"/lib/lib\xff\\.so"


UNUSED = {"dataclasses", "elftools", "deflate", "inspect", "json", "shutil", "toml"}
OWN_UNUSED = ("planning.scripts", "binaries.elf_symbols", "binaries.elf_versions", "loader.musl")
UNUSED |= {f"pants_plugin_minimg.bundler.{name}" for name in OWN_UNUSED}
TOP = str(Path(__file__).parents[2])
#: What a parser of the words would bring.
UNUSED |= {"argparse", "enum", "re", "typing"}


def run_without(unused: set[str], *words: str, path: list[str], first: str = "") -> str:
    """Run a command in a process that finds modules in `path` too, after the code `first`."""
    program = (
        f"import sys; sys.path[:0] = {path!r}\n{first}\n"
        "from pants_plugin_minimg.bundler.__main__ import main; status = main(sys.argv[1:]);"
        f"assert not {unused} & set(sys.modules), sorted(sys.modules); sys.exit(status)"
    )
    command = [sys.executable, "-I", "-S", "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("option", ["--json", "--ld-library-path=/lib"])
def test_nothing_is_imported_that_is_not_used(option: str, filled: Root) -> None:
    assert all(map(importlib.util.find_spec, UNUSED)), "none is a name of the past"
    words = ["closure", option, f"--root={filled.folder}", "/bin/git"]
    assert "libz.so.1" in run_without(UNUSED, *words, path=[TOP])


def test_steps_of_a_build_import_little(root: Root, tmp_path: Path) -> None:
    """Of whatever sysroot, and where symbol versions are to be compared."""
    root.glibc()
    tool = Spec(interp=GLIBC, needed=(b"libc.so.6",))
    root.file("/bin/tool", versioned(tool, needs={b"libc.so.6": [b"V"]}), 0o755)
    root.file("/lib/libc.so.6", versioned(Spec(soname=b"libc.so.6"), defines=[b"libc.so.6", b"V"]))
    sysroot = {"kind": "dir", "root": str(root.folder)}
    request = {"version": 1, "address": "//:x", "executables": ["/bin/tool"], "sysroot": sysroot}
    (tmp_path / "request.json").write_text(json.dumps(request))
    plan = ["plan", f"--request={tmp_path}/request.json", f"--out={tmp_path}/plan"]
    others = (
        "import pants_plugin_minimg.bundler.debian.stack, pants_plugin_minimg.bundler.tars.rootfs"
    )
    unused, path = {"argparse", "dataclasses", "inspect", "shutil", "tempfile"}, [TOP, *sys.path]
    run_without(unused, *plan, path=path, first=others)
    layer = ["layer", f"--projection={tmp_path}/plan/layers/1.json", f"--out={tmp_path}/layer"]
    blobs = f"--blobs={tmp_path}/plan/blobs"
    run_without({*unused, "typing"}, *layer, blobs, path=path)
    assert (tmp_path / "layer" / "layer.json").exists()


def test_any_number_of_processes_say_the_same(
    filled: Root, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["/bin/git", "/bin/broken", "/gone", "/bin/script", "/text", "/bin/static"] * 50
    said = []
    for processors in (1, 2, 5):
        monkeypatch.setattr(os, "cpu_count", lambda processors=processors: processors)
        for form in ([], ["--json"]):
            status = run("--root", str(filled.folder), *form, *names)
            said.append((form, status, capsys.readouterr()))
    assert said[:2] == said[2:4] == said[4:]
    assert said[0][1] == 2
    assert len(json.loads(said[1][2].out)["files"]) == len(names)
