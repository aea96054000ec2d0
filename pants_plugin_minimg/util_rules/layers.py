"""Layers, one process each: keyed by the paths and contents in it, and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pants.engine.fs import CreateDigest, FileEntry
from pants.engine.process import Process
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process
from pants_plugin_minimg.util_rules.closure import Planned
from pants_plugin_minimg.util_rules.compress import Packed
from pants_plugin_minimg.util_rules.progress import size


def _packed(packed: Packed, layer: Mapping[str, Any]) -> list[FileEntry]:
    return [FileEntry(f"packed/{sha}", packed.files[sha].file_digest) for sha in layer["packed"]]


async def steps(
    bundler: Bundler, planned: Planned, packed: Packed, address: str, epoch: int
) -> list[Process]:
    """One a layer, the lowest first. Each writes `layer.json` and `blobs/sha256/<digest>`.

    `epoch` is the time of every entry, in seconds since 1970.
    """
    wanted = planned.steps["layers"]
    smaller = [_packed(packed, layer) for layer in wanted]
    # The projection under a name that says nothing of the image.
    projections = [
        FileEntry("projection.json", planned.files[layer["projection"]].file_digest)
        for layer in wanted
    ]
    inputs = await engine.create_digests(
        [
            CreateDigest([projection, *planned.contents(layer["blobs"]), *files])
            for projection, layer, files in zip(projections, wanted, smaller)
        ]
    )
    return [
        process(
            bundler,
            (
                "layer",
                "--projection=projection.json",
                "--blobs=blobs",
                "--packed=packed",
                f"--mtime={epoch}",
                "--out=out",
            ),
            description=(
                f"Write layer {number} of {len(wanted)} of {address} ({size(files, layer['size'])})"
            ),
            inputs=digest,
            output_directories=("out",),
            level=LogLevel.INFO,
        )
        for number, (digest, layer, files) in enumerate(zip(inputs, wanted, smaller), 1)
    ]
