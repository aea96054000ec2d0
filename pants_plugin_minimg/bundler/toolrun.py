"""Runs a program that a plan describes: with its own loader and its own libraries.

What it does then depends on nothing of the machine but the kernel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pants_plugin_minimg.bundler import jsonfile, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, TreeSysroot
from pants_plugin_minimg.bundler.text import path_bytes, text


class Finished(NamedTuple):
    """`status` is negative for a signal; `errors` is standard error. Odd bytes are escaped."""

    status: int
    output: str
    errors: str


#: Runs the program with arguments, in a folder. Raises OSError.
Runner = Callable[[Sequence[str], str], Finished]


def lay_out(tool: str, folder: str) -> Runner:
    """Make the first program of a plan's output runnable below `folder`.

    Each library lies under the name by which it is asked for. Raises MinimgError MINIMG-E001 when
    `tool` is no output of a plan.
    """
    path = os.path.join(tool, "plan.json")
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        entries = [Entry.from_json(entry) for entry in raw["entries"]]
        program = raw["programs"][0]
        tree = _tree(entries, os.path.join(tool, "blobs"))
        start = command(tree, folder, path_bytes(program), raw["loaded"].get(program))
    return lambda arguments, cwd: run([*start, *arguments], cwd)


def _tree(entries: list[Entry], blobs: str) -> TreeSysroot:
    tree = TreeSysroot()
    contents = {entry.path: entry.content for entry in entries if entry.kind == "file"}
    for entry in entries:
        if entry.kind == "link":
            tree.add_link(entry.path, entry.target or b"")
        elif entry.kind == "dir":
            tree.add_dir(entry.path)
        else:
            content = contents[entry.path if entry.kind == "file" else entry.target or b""]
            tree.add_file(entry.path, os.fsencode(os.path.join(blobs, str(content))), 0o755)
    return tree


class _Layout(NamedTuple):
    """Copies single files of `tree` to places of their own below `folder`."""

    tree: Sysroot
    folder: str

    def put(self, path: bytes, place: str) -> str:
        """Where the copy is. Raises MinimgError MINIMG-E001."""
        walk = self.tree.walk(path)
        if walk.error is not None or walk.stat is None or walk.stat.kind != "file":
            raise MinimgError("MINIMG-E001", text(path), "the tool's plan has no file there")
        target = os.path.join(self.folder, place)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with self.tree.open(walk.real) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, pieces.SIZE)
        os.chmod(target, 0o755)
        return target


def command(
    tree: Sysroot, folder: str, program: bytes, loaded: Mapping[str, Any] | None
) -> list[str]:
    """What starts `program` of `tree`, copied below `folder` with all that it loads.

    `loaded` is what a plan says of it. Raises MinimgError MINIMG-E001 for a file that is missing.
    """
    layout = _Layout(tree, os.path.abspath(folder))
    runnable = layout.put(program, "bin/" + os.fsdecode(os.path.basename(program)))
    if loaded is None or not loaded.get("interpreter"):
        return [runnable]
    name = os.path.basename(loaded["interpreter"])
    loader = layout.put(path_bytes(loaded["interpreter"]), "loader/" + name)
    for library in loaded["libraries"]:
        if "/" not in library["name"]:  # found by its path, not by the folder
            layout.put(path_bytes(library["path"]), "lib/" + library["name"])
    # musl has no cache, and would take the option for the program's name
    options = [] if name.startswith("ld-musl-") else ["--inhibit-cache"]
    libraries = os.path.join(layout.folder, "lib")
    return [loader, *options, "--library-path", libraries, runnable]


def run(command: Sequence[str], cwd: str, variables: Mapping[str, str] | None = None) -> Finished:
    """Raises OSError where it cannot be started."""
    done = subprocess.run(
        command,
        cwd=cwd,
        # Nothing of ours: variables such as UPX hold options.
        env={"LC_ALL": "C", **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return Finished(
        done.returncode,
        done.stdout.decode("utf-8", "backslashreplace"),
        done.stderr.decode("utf-8", "backslashreplace"),
    )
