"""Packing of programs with UPX, one process a content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pants.core.util_rules.system_binaries import BinaryPathRequest
from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import (
    Bundler,
    BundlerError,
    process,
    run_all,
)
from pants_plugin_minimg.subsystems.upx import missing
from pants_plugin_minimg.util_rules.closure import Planned, Sysroot, files_below, plan
from pants_plugin_minimg.util_rules.progress import place, size

_TOOL = "[minimg-upx]"
#: Where Debian's package `upx-ucl` has it.
IN_SYSROOT = "/usr/bin/upx-ucl"


@dataclass(frozen=True)
class Packed:
    """Packed contents and the reports on them, both by the SHA-256 of the plain content."""

    files: Mapping[str, FileEntry]
    reports: Mapping[str, FileEntry]


NOTHING_PACKED = Packed({}, {})


def tool_request(path: str) -> dict[str, object]:
    """UPX is a program of the sysroot like others, and needs a loader and libraries as they do."""
    return {
        "version": 1,
        "address": _TOOL,
        "executables": [path],
        "entrypoint": [path],
    }


async def find_upx(search_path: engine.StandardSearchPath, address: str) -> str:
    """The path of the machine's UPX. Raises BundlerError MINIMG-E017 where there is none."""
    found = await engine.find_program(
        BinaryPathRequest(binary_name="upx", search_path=search_path.folders)
    )
    if found.first_path is None:
        raise BundlerError(str(missing(address, search_path.folders)))
    return found.first_path.path


async def tool(bundler: Bundler, sysroot: Sysroot, path: str) -> Digest:
    """UPX with its loader and libraries, below `tool/`. Raises BundlerError."""
    planned = await plan(bundler, sysroot, tool_request(path), (), "Find the libraries of UPX")
    digests = await engine.create_digests(
        [
            CreateDigest(
                FileEntry(f"tool/{path}", entry.file_digest, entry.is_executable)
                for path, entry in planned.files.items()
                if path == "plan.json" or path.startswith("blobs/")
            )
        ]
    )
    return digests[0]


async def pack(
    bundler: Bundler, planned: Planned, tool: Digest, arguments: Sequence[str], address: str
) -> Packed:
    """Offer every content that the plan of `address` names to UPX."""
    wanted = {item["content"]: item["path"] for item in planned.steps["pack"]}
    contents = await engine.create_digests(
        [planned.renamed({f"blobs/{sha}": "content"}, executable=True) for sha in wanted]
    )
    processes = []
    for number, ((sha, path), content) in enumerate(zip(wanted.items(), contents), 1):
        how_far = place(number, len(wanted), size([planned.files[f"blobs/{sha}"]]))
        inputs = await engine.merge_all((tool, content))
        processes.append(
            process(
                bundler,
                (
                    "pack",
                    "--tool=tool",
                    "--content=content",
                    f"--sha={sha}",
                    "--out=out",
                    *(f"--arg={argument}" for argument in arguments),
                ),
                description=f"Pack {path} of {address} with UPX ({how_far})",
                inputs=inputs,
                output_directories=("out",),
                level=LogLevel.INFO,
            )
        )
    outputs = await run_all(processes, address)
    files: dict[str, FileEntry] = {}
    for entries in await engine.digest_entries_all(outputs):
        files.update(files_below(entries, "out/packed"))
    return Packed(
        {sha: files[sha] for sha in wanted}, {sha: files[f"{sha}.json"] for sha in wanted}
    )
