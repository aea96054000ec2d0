"""Files that say what they open at run time, and plans over them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.isolation import materialize
from pants_plugin_minimg.bundler.plan import Entry, Plan
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests import requirements

from .elf_builder import Spec, build
from .rootfs import Root
from .sectioned import with_section

LIB = "/usr/lib/tri/"
FDO, DLOPEN = b"FDO\0", 0x407C0C0A
_PT_NOTE, _PT_GNU_STACK = 4, 0x6474E551


def note(
    content: Any, owner: bytes = FDO, kind: int = DLOPEN, order: str = "<", align: int = 4
) -> bytes:
    """One note; `content` is bytes as they stand, or what they say in JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode() + b"\0"
    head = struct.pack(order + "III", len(owner), len(raw), kind) + owner
    return head + bytes(-len(head) % align) + raw + bytes(-len(raw) % align)


def asks(*names: str, **fields: str) -> dict[str, Any]:
    """An entry of a note."""
    return {"soname": list(names), **fields}


def with_notes(elf: bytes, notes: bytes, align: int = 4, size: int | None = None) -> bytes:
    """The file with its PT_GNU_STACK made a PT_NOTE, over bytes at its end.

    `size` is what the header says instead of the true one.
    """
    wide, order = elf[4] == 2, "<" if elf[5] == 1 else ">"
    each = 56 if wide else 32
    (count,) = struct.unpack_from(order + "H", elf, 56 if wide else 44)
    out = bytearray(elf)
    said = len(notes) if size is None else size
    for index in range(count):
        at = (64 if wide else 52) + index * each
        if struct.unpack_from(order + "I", elf, at)[0] == _PT_GNU_STACK:
            if wide:
                fields = (_PT_NOTE, 4, len(elf), 0, 0, said, said, align)
                struct.pack_into(order + "IIQQQQQQ", out, at, *fields)
            else:
                fields = (_PT_NOTE, len(elf), 0, 0, said, said, 4, align)
                struct.pack_into(order + "IIIIIIII", out, at, *fields)
            return bytes(out) + notes
    raise AssertionError("no PT_GNU_STACK")


def noting(*entries: dict[str, Any], **spec: Any) -> bytes:
    """A file of `spec` with one note."""
    return with_notes(build(Spec(**spec)), note(list(entries)))


def holding(*strings: bytes, imports: Sequence[bytes] = (b"dlopen",), **spec: Any) -> bytes:
    """A file of `spec` with strings among its constants."""
    data = b"\0" + b"".join(item + b"\0" for item in strings)
    return with_section(build(Spec(imports=imports, **spec)), b".rodata", data)


class Bench:
    """A merged-/usr root with a C library, and a planner."""

    def __init__(self, root: Root, tmp_path: Path, version: bytes = b"2.36") -> None:
        self.root, self.tmp_path = root, tmp_path
        for name in ("bin", "lib", "lib64"):
            root.directory(f"/usr/{name}")
            root.link(f"/{name}", f"usr/{name}")
        root.glibc(version)
        self.library("libc.so.6")

    def library(self, name: str, *needed: bytes, **fields: Any) -> str:
        return self.root.elf(LIB + name, *needed, soname=name.encode(), **fields)

    def file(self, path: str, content: bytes) -> None:
        self.root.file(path, content, 0o755)

    def program(self, path: str = "/usr/bin/tool", *needed: bytes, **fields: Any) -> None:
        self.root.program(path, *needed, b"libc.so.6", **fields)

    def plan(self, **fields: Any) -> Plan:
        fields.setdefault("executables", ["/usr/bin/tool"])
        return plan(self.root.folder, self.tmp_path, **fields)

    def errors(self, **fields: Any) -> list[MinimgError]:
        try:
            self.plan(**fields)
        except Problems as problems:
            return list(problems.errors)
        return []


def plan(root: Path, tmp_path: Path, **fields: Any) -> Plan:
    raw = {"version": 1, "address": "//t:image", "trees": [], **fields}
    wanted = request.parse({**raw, "sysroot": {"kind": "dir", "root": str(root)}})
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    sysroot = DirSysroot(os.fsencode(root))
    return planner.build(wanted, sysroot, str(scratch), str(tmp_path / "blobs"))


def entries(of: Plan) -> dict[str, Entry]:
    return {entry.path.decode(): entry for entry in of.entries}


# Trees that run.


def compiled(folder: Path, name: str, source: str, *options: str) -> Path:
    """What gcc makes of a C source."""
    compiler = requirements.program("gcc")
    folder.mkdir(parents=True, exist_ok=True)
    code, out = folder / f"{name}.c", folder / name
    code.write_text(source)
    subprocess.run([compiler, "-o", str(out), str(code), *options], check=True)
    return out


def real_root(folder: Path, program: Path) -> Path:
    """A root with a program at /usr/bin/tool, and this machine's libraries that it needs."""
    host = DirSysroot(b"/")
    closure = loader.resolve(host, os.fsencode(program))
    files = {item.path: item.walk.real for item in closure.loaded}
    assert closure.interpreter is not None and closure.interp_walk is not None
    files[closure.interpreter] = closure.interp_walk.real
    for path, real in files.items():
        copy(real, folder, os.fsdecode(path))
    copy(os.fsencode(program), folder, "/usr/bin/tool")
    return folder


def copy(source: bytes, folder: Path, path: str) -> None:
    target = folder / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(os.fsdecode(source), target)
    target.chmod(0o755)


def lay(of: Plan, blobs: Path, tree: Path) -> None:
    """Makes a folder of a plan's files."""
    materialize.write(of.entries, lambda entry: open(blobs / str(entry.content), "rb"), str(tree))


def run(
    of: Plan,
    tmp_path: Path,
    *arguments: str,
    program: str = "/usr/bin/tool",
    env: dict[str, str] | None = None,
    given: str = "",
) -> str:
    """What `program` says to `given` in a tree of the plan's files alone; a failure is `exit N`."""
    bubblewrap = requirements.working(["bwrap", "--ro-bind", "/", "/", "/bin/true"])
    tree = tmp_path / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    lay(of, tmp_path / "blobs", tree)
    done = subprocess.run(
        [bubblewrap, "--bind", str(tree), "/", "--proc", "/proc", program, *arguments],
        env=env or {},
        input=given,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else f"exit {done.returncode}"
