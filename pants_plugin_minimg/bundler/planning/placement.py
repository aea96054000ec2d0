"""Where the files of the build go in the image, before anything is resolved against them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import parents
from pants_plugin_minimg.bundler.planning import trees
from pants_plugin_minimg.bundler.planning.request import Owned, Request, Tree
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, TreeSysroot
from pants_plugin_minimg.bundler.text import text

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler.python.apptree import AppTree
    from pants_plugin_minimg.bundler.python.interpreter import Interpreter

#: Where a PEX goes that `install_to` says nothing of.
_APP = b"/app"


class Placed(NamedTuple):
    """A file or link of the build at its canonical place in the image."""

    named: bytes
    path: bytes
    origin: str
    output: trees.Output
    owned: Owned
    role: str
    primary: bool
    program: bool
    alone: bool
    links: tuple[tuple[bytes, bytes], ...]


class App(NamedTuple):
    """A PEX, as a tree below the path `root` of the image.

    `left_out` and `missing` are distributions, as `requirements.Needed` has them.
    """

    root: bytes
    tree: AppTree
    origin: str
    primary: bool
    left_out: tuple[tuple[str, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


class Placement:
    """`python` runs the apps: the sysroot's own."""

    def __init__(self) -> None:
        self.files: dict[bytes, Placed] = {}
        self.folders: dict[bytes, str] = {}
        self.upper = TreeSysroot()
        self.problems: list[MinimgError] = []
        self.apps: list[App] = []
        self.python: Interpreter | None = None


def canonical(sysroot: Sysroot, path: bytes) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """A path with the links of its directories followed, as far as they exist, and those links.

    Raises MinimgError MINIMG-E012 when a component before the last is a file.
    """
    components = [part for part in path.split(b"/") if part]
    base = b"/"
    links: list[tuple[bytes, bytes]] = []
    for index, component in enumerate(components[:-1]):
        walk = sysroot.walk(join(base, component))
        links += walk.links
        if walk.error == "ENOENT" and not walk.links:
            return join(base, b"/".join(components[index:])), tuple(links)
        if walk.error is not None or walk.stat is None or walk.stat.kind != "dir":
            raise MinimgError(
                "MINIMG-E012",
                text(path),
                f"the path passes through {text(join(base, component))}, which is not a directory",
                "Choose another place for it.",
            )
        base = walk.real
    return join(base, components[-1]), tuple(links)


def place(request: Request, lower: Sysroot, scratch: bytes) -> Placement:
    """Put every tree of the request into one upper tree over the sysroot."""
    placement = Placement()
    if any(tree.role == "pex" for tree in request.trees):
        from pants_plugin_minimg.bundler.python import interpreter

        try:
            placement.python = interpreter.find(lower, request.executables, request.address)
        except MinimgError as error:
            placement.problems.append(error)
    for number, tree in enumerate(request.trees):
        folder = os.path.join(scratch, b"%d" % number)
        try:
            _place_tree(placement, tree, lower, folder)
        except MinimgError as error:
            placement.problems.append(error)
    return placement


def _place_tree(placement: Placement, tree: Tree, lower: Sysroot, scratch: bytes) -> None:
    outputs = trees.outputs(os.fsencode(tree.root), tree.executable)
    if tree.role == "pex":
        tree, outputs = _app(placement, tree, outputs, os.fsdecode(scratch))
        programs: frozenset[trees.Output] = frozenset()
    elif tree.role == "program":
        outputs = trees.unpacked(outputs, tree.origin, scratch)
        programs = _programs(outputs, tree)
    else:
        programs = frozenset()
    if not outputs:
        raise MinimgError(
            "MINIMG-E016",
            tree.origin,
            "it produced no file",
            "Name a target that builds at least one file.",
        )
    for output in outputs:
        try:
            _place_output(placement, tree, output, output in programs, lower, len(outputs) == 1)
        except MinimgError as error:
            placement.problems.append(error)


def _app(
    placement: Placement, tree: Tree, outputs: list[trees.Output], scratch: str
) -> tuple[Tree, list[trees.Output]]:
    """The files of a PEX as they run, and where they go."""
    from pants_plugin_minimg.bundler.python import apptree, compatibility, pexfile, requirements

    os.makedirs(scratch)
    source = outputs[0].source if len(outputs) == 1 else os.fsencode(tree.root)
    found = pexfile.unpack(os.fsdecode(source), tree.origin, scratch)
    needed = requirements.Needed((), (), ())
    if placement.python is not None:
        wheels = compatibility.chosen(found.distributions, placement.python)
        own = {name: found.distributions[name] for name in wheels}
        needed = requirements.needed(found.requirements, own, placement.python)
        found = found._replace(distributions={name: own[name] for name in needed.distributions})
    made = apptree.build(found, tree.origin, os.path.join(scratch, "app"))
    root = tree.path if tree.path.strip(b"/") else _APP
    missing = () if found.may_lack else needed.missing
    app = App(root.rstrip(b"/"), made, tree.origin, tree.primary, needed.left_out, missing)
    placement.apps.append(app)
    moved = tree._replace(role="file", path=root, executable=None)
    return moved, trees.outputs(os.fsencode(made.folder))


def _programs(outputs: list[trees.Output], tree: Tree) -> frozenset[trees.Output]:
    """The single output, or those of several that are executable and ELF or `#!`."""
    files = [output for output in outputs if output.target is None]
    if len(files) == 1 and len(outputs) == 1:
        return frozenset(files)
    found = frozenset(out for out in files if out.executable and _is_startable(out.source))
    if outputs and not found:
        listing = ", ".join(text(output.path) for output in outputs[:20])
        more = f" and {len(outputs) - 20} more" if len(outputs) > 20 else ""
        raise MinimgError(
            "MINIMG-E016",
            tree.origin,
            f"none of the files that it produced is a program (executable, and ELF or `#!`): "
            f"{listing}{more}",
            "Name a target that builds a program, or put these files in with `files`.",
        )
    return found


def _is_startable(source: bytes) -> bool:
    with open(source, "rb") as file:
        magic = file.read(4)
    return magic == b"\x7fELF" or magic[:2] == b"#!"


def _place_output(
    placement: Placement,
    tree: Tree,
    output: trees.Output,
    program: bool,
    lower: Sysroot,
    only: bool,
) -> None:
    if tree.role == "file" and only:
        named = tree.path
    elif tree.role == "program" and only:
        named = join(tree.path.rstrip(b"/") or b"/", os.path.basename(output.path))
    else:
        named = join(tree.path.rstrip(b"/") or b"/", output.path)
    path, links = canonical(lower, named)
    placed = Placed(
        named, path, tree.origin, output, tree.owned, tree.role, tree.primary, program, only, links
    )
    before = placement.files.get(path)
    if before is not None:
        if _same(before, placed):
            return
        raise MinimgError(
            "MINIMG-E011",
            text(path),
            f"{before.origin} and {tree.origin} put different files there",
            "Give one of them another place.",
        )
    for folder in parents(path):
        above = placement.files.get(folder)
        if above is not None:
            raise _file_and_folder(folder, above.origin, tree.origin)
        placement.folders.setdefault(folder, tree.origin)
    if path in placement.folders:
        raise _file_and_folder(path, tree.origin, placement.folders[path])
    placement.files[path] = placed
    if output.target is not None:
        placement.upper.add_link(path, output.target)
    else:
        placement.upper.add_file(path, output.source, file_mode(placed))


def _file_and_folder(path: bytes, file_of: str, folder_of: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E012",
        text(path),
        f"{file_of} puts a file there, and {folder_of} puts something below it",
        "Give one of them another place.",
    )


def file_mode(placed: Placed) -> int:
    if placed.owned.mode is not None:
        return placed.owned.mode
    # A single output that is named as the program is one, whatever bit its producer left.
    return 0o755 if placed.output.executable or placed.program else 0o644


def _same(one: Placed, other: Placed) -> bool:
    if (one.output.target, one.owned, file_mode(one)) != (
        other.output.target,
        other.owned,
        file_mode(other),
    ):
        return False
    if one.output.target is not None:
        return True
    with open(one.output.source, "rb") as first, open(other.output.source, "rb") as second:
        return first.read() == second.read()
