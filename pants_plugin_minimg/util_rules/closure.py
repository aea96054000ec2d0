"""From the wishes of an image to its plan: the one step that reads the sysroot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pants.engine.fs import (
    CreateDigest,
    Digest,
    DigestEntries,
    FileContent,
    FileEntry,
    SymlinkEntry,
)
from pants.engine.process import ProcessCacheScope
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError, process, run_all

#: A host that is at rest takes one round; more mean that something keeps writing to it.
_ROUNDS = 5


@dataclass(frozen=True)
class Sysroot:
    """Where a plan takes programs and libraries from.

    `request` is what `plan` reads of it, `digests` the files that it is made of: the host's sweep,
    or unpacked packages.
    """

    request: Mapping[str, Any]
    digests: tuple[Digest, ...]
    of_host: bool
    scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL


@dataclass(frozen=True)
class Planned:
    """The output of `plan`: its files by their paths, and what steps.json says.

    `links` maps paths of contents to files of this machine that have them.
    """

    files: Mapping[str, FileEntry]
    steps: Mapping[str, Any]
    links: Mapping[str, str] = field(default_factory=dict)

    def contents(self, wanted: Iterable[str]) -> list[FileEntry | SymlinkEntry]:
        """Those of the SHA-256s, in a folder `blobs`."""
        return [self._content(f"blobs/{sha}") for sha in wanted]

    def whole(self) -> list[FileEntry | SymlinkEntry]:
        """plan.json and all contents."""
        paths = [path for path in (*self.files, *self.links) if path.startswith("blobs/")]
        return [self._content(path) for path in ("plan.json", *paths)]

    def _content(self, path: str) -> FileEntry | SymlinkEntry:
        if path in self.links:
            return SymlinkEntry(path, self.links[path])
        return FileEntry(path, self.files[path].file_digest)

    def renamed(self, names: Mapping[str, str], *, executable: bool = False) -> CreateDigest:
        """Some of the files, each at the path that it is a value for; no bytes are copied."""
        return CreateDigest(
            FileEntry(new, self.files[old].file_digest, executable) for old, new in names.items()
        )


def files_below(entries: DigestEntries, folder: str) -> dict[str, FileEntry]:
    """The files of a tree below `folder`, by the rest of their paths."""
    return {
        entry.path[len(folder) + 1 :]: entry
        for entry in entries
        if isinstance(entry, FileEntry) and entry.path.startswith(f"{folder}/")
    }


def links_below(entries: DigestEntries, folder: str) -> dict[str, str]:
    """Where the links of a tree below `folder` lead, by the rest of their paths."""
    return {
        entry.path[len(folder) + 1 :]: entry.target
        for entry in entries
        if isinstance(entry, SymlinkEntry) and entry.path.startswith(f"{folder}/")
    }


def document(path: str, content: Any) -> FileContent:
    return FileContent(path, (json.dumps(content, indent=1, sort_keys=False) + "\n").encode())


async def read_text(files: Sequence[FileEntry]) -> tuple[str, ...]:
    """The files, without loading anything that lies beside them."""
    digests = await engine.create_digests([CreateDigest([entry]) for entry in files])
    contents = await engine.digest_contents_all(digests)
    return tuple(content[0].content.decode() for content in contents)


async def read_json(files: Sequence[FileEntry]) -> tuple[Any, ...]:
    return tuple(map(json.loads, await read_text(files)))


async def _run_plan(
    bundler: Bundler,
    inputs: Digest,
    address: str,
    arguments: Sequence[str],
    description: str,
    scope: ProcessCacheScope,
) -> Digest:
    outputs = await run_all(
        [
            process(
                bundler,
                ("plan", "--request=request.json", "--out=out", *arguments),
                description=description,
                inputs=inputs,
                output_directories=("out",),
                scope=scope,
                level=LogLevel.INFO,
            )
        ],
        address,
    )
    return outputs[0]


async def plan(
    bundler: Bundler,
    sysroot: Sysroot,
    request: Mapping[str, Any],
    trees: Sequence[Digest],
    description: str,
) -> Planned:
    """What `request` consists of; its sysroot is filled in.

    Raises BundlerError with its address in each line: several images may be built at once.
    """
    whole = {**request, "sysroot": sysroot.request}
    asked = await engine.create_digests((CreateDigest([document("request.json", whole)]),))
    inputs = await engine.merge_all((*asked, *sysroot.digests, *trees))
    address = str(request["address"])
    if sysroot.of_host:
        return await _plan_on_host(bundler, inputs, address, description, sysroot.scope)
    output = await _run_plan(bundler, inputs, address, (), description, sysroot.scope)
    entries = await engine.digest_entries_all((output,))
    files = files_below(entries[0], "out")
    (steps,) = await read_json([files["steps.json"]])
    return Planned(files, steps)


async def _plan_on_host(
    bundler: Bundler, inputs: Digest, address: str, description: str, scope: ProcessCacheScope
) -> Planned:
    """The plan, true for the host as it is now.

    A plan from the cache may be of another day: what it consulted outside the swept folders is
    looked at again, and when that differs, its present state goes into the key of the next try.
    Raises BundlerError MINIMG-E022 when the host does not come to rest.
    """
    known: str | None = None
    for _ in range(_ROUNDS):
        everything = inputs
        if known is not None:
            state = await engine.create_digests(
                [CreateDigest([FileContent("outside.json", known.encode())])]
            )
            everything = await engine.merge_all((inputs, *state))
        outside = () if known is None else ("--outside=outside.json",)
        output = await _run_plan(
            bundler, everything, address, ("--sweep=sweep.json", *outside), description, scope
        )
        entries = await engine.digest_entries_all((output,))
        files = files_below(entries[0], "out")
        (steps,) = await read_json([files["steps.json"]])
        planned = Planned(files, steps, links_below(entries[0], "out"))
        if not steps["outside"]:
            return planned
        (consulted,) = await read_text([files["consulted.json"]])
        known = (await engine.look(engine.Look(consulted))).state
        if known == consulted:
            return planned
    raise BundlerError(
        str(
            MinimgError(
                "MINIMG-E022",
                address,
                f"files of this machine changed each of the {_ROUNDS} times they were looked at",
                "Run the command again when they are at rest.",
            )
        )
    )
