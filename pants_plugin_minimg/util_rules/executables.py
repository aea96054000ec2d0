"""From the addresses in `binary`, `extra_binaries` and `files` to what those targets build."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage
from pants.core.target_types import FileSourceField
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.fs import (
    AddPrefix,
    CreateDigest,
    Digest,
    DigestEntries,
    FileEntry,
    SymlinkEntry,
)
from pants.engine.target import HydratedSources, HydrateSourcesRequest, SourcesField, Target

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.text import escaped
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage

#: By name: the backend that has these targets need not be on.
_PEXES = ("pex_binary", "pex_binaries")


class BadDependencies(Exception):
    """Targets that cannot be put into an image, one line a problem."""


@dataclass(frozen=True)
class Wish:
    """An address of a field, and what its files are to the image."""

    image: str
    field: str
    inputs: UnparsedAddressInputs
    role: str  # "program" or "file", as the bundler's request has it
    primary: bool = False
    path: str | None = None
    mode: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Tree:
    """What one wish led to: files below `root` of the digest, and the request's entry for them."""

    digest: Digest
    entry: dict[str, object]


@dataclass(frozen=True)
class _Output:
    """What one target builds. `base` is the folder that its paths are relative to, if known."""

    target: Target
    digest: Digest
    base: str | None


def base_folder(paths: Sequence[str], preferred: str | None) -> str:
    """The folder that the files of a tree are relative to.

    `preferred` when it holds all of them (the folder of the BUILD file, for generated files), else
    the deepest folder that does. One file is relative to its own folder.
    """
    folders = [posixpath.dirname(path).split("/") for path in paths if path]
    if len(folders) == 1:
        return "/".join(folders[0])
    if preferred and all(path.startswith(f"{preferred}/") for path in paths):
        return preferred
    common: list[str] = []
    for parts in zip(*folders):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)


def _refusal(wish: Wish, target: Target, problem: str, remedy: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E020", wish.image, f"`{wish.field}` names {target.address}, {problem}", remedy
    )


def _refuse_source(wish: Wish, target: Target) -> MinimgError:
    return _refusal(
        wish,
        target,
        f"a `{target.alias}` target, which neither can be packaged nor generates files",
        "Name a target that builds something, such as a `go_binary`, an `archive`, a "
        "`shell_command`, an `adhoc_tool` or a `file`.",
    )


def _refuse_empty(wish: Wish, target: Target) -> MinimgError:
    return _refusal(
        wish,
        target,
        f"a `{target.alias}` target, which builds no file",
        "Name a target that builds one.",
    )


async def _packaged(target: Target, package: BuiltPackage) -> _Output:
    """Of an image of ours the image itself, without the documents beside it."""
    image = next((one for one in package.artifacts if isinstance(one, BuiltMinimalImage)), None)
    if image is None:
        return _Output(target, package.digest, None)
    (entries,) = await engine.digest_entries_all([package.digest])
    own = [
        entry
        for entry in entries
        if isinstance(entry, FileEntry) and f"{entry.path}/".startswith(f"{image.relpath}/")
    ]
    (digest,) = await engine.create_digests([CreateDigest(own)])
    return _Output(target, digest, None)


async def _outputs(wishes: Sequence[Wish]) -> tuple[list[list[_Output]], list[MinimgError]]:
    """What the targets of each wish build: packaged where that can be, else generated."""
    resolved = await engine.resolve_all([wish.inputs for wish in wishes])
    wanted = [(index, target) for index, targets in enumerate(resolved) for target in targets]
    field_sets = await engine.package_field_sets([target for _, target in wanted])
    problems: list[MinimgError] = []
    packaged, generated = [], []
    for (index, target), own in zip(wanted, field_sets.collection):
        if own:
            packaged += [(index, target, field_set) for field_set in own]
        elif target.has_field(SourcesField):
            generated.append((index, target))
        else:
            problems.append(_refuse_source(wishes[index], target))
    packages = await engine.build_packages([field_set for _, _, field_set in packaged])
    sources = await engine.hydrate_all(
        [
            HydrateSourcesRequest(
                target[SourcesField], for_sources_types=(FileSourceField,), enable_codegen=True
            )
            for _, target in generated
        ]
    )
    out: list[list[_Output]] = [[] for _ in wishes]
    for (index, target, _), package in zip(packaged, packages):
        out[index].append(await _packaged(target, package))
    for (index, target), hydrated in zip(generated, sources):
        if hydrated.snapshot.files:
            out[index].append(_generated(target, hydrated))
        else:
            problems.append(_refuse_source(wishes[index], target))
    return out, problems


def _generated(target: Target, hydrated: HydratedSources) -> _Output:
    return _Output(target, hydrated.snapshot.digest, target.address.spec_path)


def _paths(entries: DigestEntries) -> list[str]:
    return [entry.path for entry in entries if isinstance(entry, (FileEntry, SymlinkEntry))]


def _executable(entries: DigestEntries) -> list[str]:
    return [entry.path for entry in entries if isinstance(entry, FileEntry) and entry.is_executable]


def _role(wish: Wish, outputs: Sequence[_Output]) -> str:
    """A program of Python is a PEX, with a role of its own."""
    is_pex = any(output.target.alias in _PEXES for output in outputs)
    return "pex" if wish.role == "program" and is_pex else wish.role


def _entry(
    wish: Wish, role: str, origin: str, folder: str, base: str, executable: Iterable[str]
) -> dict[str, object]:
    """`executable` is said because a sandbox does not show it: large files all have the bit."""
    return {
        "root": posixpath.join(folder, base).rstrip("/"),
        "executable": sorted(escaped(path[len(base) :].lstrip("/")) for path in executable),
        "origin": origin,
        "role": role,
        "primary": wish.primary,
        "path": None if wish.path is None else escaped(wish.path),
        "mode": wish.mode,
        "owner": wish.owner,
    }


def _origin(outputs: Sequence[_Output]) -> str:
    """The target that was named: a generator, where several targets stand for it."""
    address = outputs[0].target.address
    return str(address if len(outputs) == 1 else address.maybe_convert_to_target_generator())


def _base(outputs: Sequence[_Output], paths: Sequence[str]) -> str:
    bases = {output.base for output in outputs}
    return base_folder(paths, bases.pop() if len(bases) == 1 else None)


async def trees(wishes: Sequence[Wish]) -> tuple[Tree, ...]:
    """The files of each wish, below a folder of its own.

    Raises BadDependencies with every target that cannot be put into an image.
    """
    built, problems = await _outputs(wishes)
    listed = await engine.digest_entries_all([o.digest for outputs in built for o in outputs])
    remaining = iter(listed)
    found = []
    for number, (wish, outputs) in enumerate(zip(wishes, built)):
        paths: list[str] = []
        executable: list[str] = []
        for output in outputs:
            entries = next(remaining)
            paths += _paths(entries)
            executable += _executable(entries)
            if not _paths(entries):
                problems.append(_refuse_empty(wish, output.target))
        if paths:
            digest = await engine.merge_all([output.digest for output in outputs])
            folder = f"trees/{number}"
            base = _base(outputs, paths)
            entry = _entry(wish, _role(wish, outputs), _origin(outputs), folder, base, executable)
            found.append((AddPrefix(digest, folder), entry))
    if problems:
        raise BadDependencies(str(Problems(problems)))
    moved = await engine.add_prefixes([prefix for prefix, _ in found])
    return tuple(Tree(digest, entry) for digest, (_, entry) in zip(moved, found))


def request_entries(found: Iterable[Tree]) -> list[dict[str, object]]:
    return [tree.entry for tree in found]
