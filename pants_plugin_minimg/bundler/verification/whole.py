"""Whether the programs of a tree would start in it, and whether it is what its plan says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pants_plugin_minimg.bundler import loader, plan
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.planning import checks, request, scripts
from pants_plugin_minimg.bundler.text import path_bytes, text
from pants_plugin_minimg.bundler.verification.tars import finding
from pants_plugin_minimg.bundler.verification.tree import Tree

#: What UPX leaves in each program that it packs (its source: p_lx_elf.cpp, UPX_MAGIC_LE32).
_UPX = b"UPX!"
_UPX_HEAD = 1 << 12


def process(config: Mapping[str, Any], tree: Tree, subject: str) -> Iterator[MinimgError]:
    """The container's process, its health check and its user, by the checks of a plan."""
    raw = config.get("config") or {}
    env = dict(value.partition("=")[::2] for value in raw.get("Env") or ())
    health = (raw.get("Healthcheck") or {}).get("Test") or []
    asked = request.parse(
        {
            "version": request.VERSION,
            "address": subject,
            "env": env,
            "user": raw.get("User"),
            "workdir": raw.get("WorkingDir"),
            "healthcheck": health[1:],
        }
    )
    command = [*(raw.get("Entrypoint") or ()), *(raw.get("Cmd") or ())]
    yield from checks.paths(tree.entries())
    yield from checks.entrypoint(asked, command, tree.root)
    yield from checks.healthcheck(asked, tree.root)
    yield from checks.user(asked, tree.root)


def closures(config: Mapping[str, Any], tree: Tree) -> Iterator[MinimgError]:
    """Each executable of the tree must find in it all that it needs; none is started."""
    env = _environment(config)
    search = (env.get("PATH") or request.DEFAULT_PATH).encode()
    for path, entry in tree.entries().items():
        if entry.kind != "file" or not entry.mode & 0o111:
            continue
        try:
            kind = loader.kind(tree.root, path)
            if kind == "script":
                scripts.interpreters(tree.root, path, search)
            elif kind == "dynamic":
                yield from _needs(_resolved(path, tree, env))
        except MinimgError as error:
            yield finding(error.subject, error.problem)


def _environment(config: Mapping[str, Any]) -> dict[str, str]:
    pairs = (config.get("config") or {}).get("Env") or ()
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _resolved(path: bytes, tree: Tree, env: Mapping[str, str]) -> loader.Closure:
    library_path = (env.get("LD_LIBRARY_PATH") or "").encode()
    return loader.resolve(tree.root, path, ld_library_path=library_path)


def _needs(closure: loader.Closure) -> Iterator[MinimgError]:
    walk = closure.interp_walk
    if closure.interpreter is not None and (walk is None or walk.error is not None):
        yield finding(text(closure.program), f"its loader {text(closure.interpreter)} is not there")
    for item in closure.missing:
        yield finding(text(item.by), f"it needs {text(item.name)}, which is not in the image")
    for bad in closure.refused:
        yield finding(text(bad.by), f"the loader refuses {text(bad.path)}: {bad.reason}")


def against_plan(
    raw: Mapping[str, Any], config: Mapping[str, Any], tree: Tree
) -> tuple[list[MinimgError], list[str]]:
    """What differs from the plan, and what could not be compared.

    `raw` is plan.json. Raises LookupError, TypeError or ValueError for what is none.
    """
    entries = [Entry.from_json(entry) for entry in raw["entries"]]
    wanted = list(plan.layers(entries).values())
    problems: list[MinimgError] = []
    notes: list[str] = []
    if len(wanted) != len(tree.layers):
        problems.append(
            finding("plan", f"it has {len(wanted)} layers, and the image {len(tree.layers)}")
        )
    programs = set(map(path_bytes, raw["programs"]))
    for listed, there in zip(wanted, tree.layers):
        problems += _layer(listed, there, programs, tree, notes)
    platform = {key: config.get(key) for key in raw["platform"]}
    if platform != raw["platform"]:
        problems.append(finding("config", "its platform is not the plan's"))
    problems += _libraries(raw["loaded"], config, tree)
    return problems, notes


def _layer(
    listed: Sequence[Entry],
    there: Mapping[bytes, Entry],
    programs: set[bytes],
    tree: Tree,
    notes: list[str],
) -> Iterator[MinimgError]:
    names = {entry.path for entry in listed}
    for path in there:
        if path not in names:
            yield finding(text(path), "it is not in the plan's layer")
    by_path = {entry.path: entry for entry in listed}
    for entry in listed:
        mine = there.get(entry.path)
        if mine is None:
            yield finding(text(entry.path), "the plan has it in a layer where the image has not")
            continue
        if mine.content != entry.content and entry.path in programs and _is_packed(tree, mine):
            notes.append(f"{text(entry.path)} is packed by UPX, and the plan knows the plain file")
        elif (mine.kind, mine.content, mine.target) != (entry.kind, entry.content, entry.target):
            yield finding(text(entry.path), "its content, kind or target is not the plan's")
        owned = by_path.get(entry.target or b"", entry) if entry.kind == "hardlink" else entry
        if entry.kind != "link" and mine.mode != owned.mode:
            yield finding(
                text(entry.path), f"its mode is {mine.mode:04o}, in the plan {owned.mode:04o}"
            )
        if (mine.uid, mine.gid) != (owned.uid, owned.gid):
            yield finding(text(entry.path), "its owner is not the plan's")


def _is_packed(tree: Tree, entry: Entry) -> bool:
    with tree.root.open(entry.path) as file:
        return _UPX in file.read(_UPX_HEAD)


def _libraries(
    loaded: Mapping[str, Any], config: Mapping[str, Any], tree: Tree
) -> Iterator[MinimgError]:
    """Each program finds what the plan says, where it says; a packed one cannot be asked."""
    env = _environment(config)
    for name, facts in loaded.items():
        path = path_bytes(name)
        files = {item["name"]: item["path"] for item in facts["libraries"]}
        for library in files.values():
            walk = tree.root.walk(path_bytes(library))
            if walk.stat is None or walk.stat.kind != "file":
                yield finding(library, f"{name} needs it, and it is not in the image")
        try:
            if loader.kind(tree.root, path) != "dynamic":
                continue
            closure = _resolved(path, tree, env)
        except MinimgError as error:
            yield finding(error.subject, error.problem)
            continue
        found = {text(item.name): text(item.walk.real) for item in closure.loaded}
        # What the program opens by itself is in the plan and no part of what its tags name.
        yield from _moved(name, found, files)


def _moved(name: str, found: Mapping[str, str], files: Mapping[str, str]) -> Iterable[MinimgError]:
    for library, place in found.items():
        if files.get(library, place) != place:
            yield finding(name, f"it finds {library} as {place}, in the plan as {files[library]}")
