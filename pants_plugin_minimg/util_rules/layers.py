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


def layer_inputs(planned: Planned, packed: Packed, layer: Mapping[str, Any]) -> CreateDigest:
    """The projection under a name that says nothing of the image, and the contents it names."""
    files = [FileEntry("projection.json", planned.files[layer["projection"]].file_digest)]
    for sha in layer["blobs"]:
        files.append(FileEntry(f"blobs/{sha}", planned.files[f"blobs/{sha}"].file_digest))
    for sha in layer["packed"]:
        files.append(FileEntry(f"packed/{sha}", packed.files[sha].file_digest))
    return CreateDigest(files)


async def steps(
    bundler: Bundler, planned: Planned, packed: Packed, address: str, epoch: int
) -> list[Process]:
    """One a layer, the lowest first. Each writes `layer.json` and `blobs/sha256/<digest>`.

    `epoch` is the time of every entry, in seconds since 1970.
    """
    wanted = planned.steps["layers"]
    inputs = await engine.create_digests([layer_inputs(planned, packed, layer) for layer in wanted])
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
            description=f"Write layer {number} of {len(wanted)} of {address}",
            inputs=digest,
            output_directories=("out",),
            level=LogLevel.INFO,
        )
        for number, digest in enumerate(inputs, 1)
    ]
