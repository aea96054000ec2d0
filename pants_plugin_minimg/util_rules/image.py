"""The image around the layers: an OCI layout whose blobs are merged, and the tar made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process, run_all
from pants_plugin_minimg.util_rules.closure import Planned, document, files_below, read_json
from pants_plugin_minimg.util_rules.compress import Packed
from pants_plugin_minimg.util_rules.progress import size

#: The bill of materials, CycloneDX.
SBOM = "sbom.cdx.json"


@dataclass(frozen=True)
class Image:
    """An OCI layout, the tar made of it if it was wanted, and what is known about it.

    `layout` holds `oci-layout`, `index.json`, `manifest.json` and `blobs/` below `layout/`, and
    `files` the same by their paths in the layout. An index has no `sbom`.
    """

    layout: Digest
    files: Mapping[str, FileEntry]
    tar: FileEntry | None
    info: FileEntry
    details: Mapping[str, Any]
    sbom: FileEntry | None = None


async def assemble(
    bundler: Bundler,
    request: Mapping[str, Any],
    planned: Planned,
    packed: Packed,
    layers: Sequence[Mapping[str, FileEntry]],
    epoch: int,
    tar: bool,
) -> Image:
    """Config, manifest, index, SBOM and `tar` in one process; the layout takes blobs as digests.

    `epoch` is when the image says that it was created, in seconds since 1970.
    """
    reports = [f"packed/{sha}.json" for sha in packed.reports]
    descriptors = [f"layers/{number}.json" for number in range(1, len(layers) + 1)]
    blobs = {
        path: entry
        for layer in layers
        for path, entry in layer.items()
        if path.startswith("blobs/")
    }
    inputs = await engine.create_digests(
        [
            CreateDigest([document("image.json", request)]),
            CreateDigest(
                [
                    *(
                        FileEntry(name, planned.files[name].file_digest)
                        for name in ("plan.json", "inventory.json")
                    ),
                    *_moved(reports, packed.reports.values()),
                    *_moved(descriptors, [files["layer.json"] for files in layers]),
                    *(_below("layout", blobs) if tar else ()),
                ]
            ),
        ]
    )
    merged = await engine.merge_all(inputs)
    outputs = await run_all(
        [
            process(
                bundler,
                (
                    "image",
                    "--request=image.json",
                    *(_option("--layer", descriptors)),
                    "--plan=plan.json",
                    "--inventory=inventory.json",
                    *(_option("--report", reports)),
                    f"--created={epoch}",
                    *(("--layers=layout", "--tar=out/image.tar") if tar else ()),
                    "--out=out",
                ),
                description=(
                    f"Write the image {request['artifact']} "
                    f"({len(layers)} layers, {size(blobs.values())})"
                ),
                inputs=merged,
                output_directories=("out",),
                level=LogLevel.INFO,
            )
        ],
        str(request["address"]),
    )
    entries = await engine.digest_entries_all(outputs)
    files = files_below(entries[0], "out")
    return await finished(files, blobs)


async def finished(files: Mapping[str, FileEntry], blobs: Mapping[str, FileEntry]) -> Image:
    """`files` are those that the process wrote, `blobs` what the layout takes beside them."""
    whole = {**{path: entry for path, entry in files_of_layout(files)}, **blobs}
    digests = await engine.create_digests([CreateDigest(_below("layout", whole))])
    (details,) = await read_json([files["info.json"]])
    return Image(
        digests[0], whole, files.get("image.tar"), files["info.json"], details, files.get(SBOM)
    )


def files_of_layout(files: Mapping[str, FileEntry]) -> Iterator[tuple[str, FileEntry]]:
    """By their paths in it."""
    for path, entry in files.items():
        folder, _, rest = path.partition("/")
        if folder == "layout":
            yield rest, entry


def _moved(paths: Sequence[str], files: Any) -> list[FileEntry]:
    return [FileEntry(path, entry.file_digest) for path, entry in zip(paths, files)]


def _below(folder: str, files: Mapping[str, FileEntry]) -> list[FileEntry]:
    return [FileEntry(f"{folder}/{path}", entry.file_digest) for path, entry in files.items()]


def _option(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """As the bundler's command line has options that take several values."""
    return (name, *values) if values else ()
