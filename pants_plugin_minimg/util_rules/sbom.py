"""The bill of materials of an image, which lies beside it."""

from __future__ import annotations

from pants.engine.fs import CreateDigest, FileEntry
from pants.engine.process import Process

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process
from pants_plugin_minimg.util_rules.closure import Planned
from pants_plugin_minimg.util_rules.compress import Packed

OUTPUT = "sbom.cdx.json"


async def step(
    bundler: Bundler, planned: Planned, packed: Packed, name: str, address: str
) -> Process:
    """Writes OUTPUT. It reads the contents from before they were packed, which tell more."""
    inputs = await engine.create_digests(
        [
            CreateDigest(
                [
                    *planned.whole(),
                    *(
                        FileEntry(f"packed/{sha}.json", report.file_digest)
                        for sha, report in packed.reports.items()
                    ),
                ]
            )
        ]
    )
    return process(
        bundler,
        (
            "sbom",
            "--plan=plan.json",
            "--blobs=blobs",
            *(("--packed=packed",) if packed.reports else ()),
            f"--name={name}",
            f"--out={OUTPUT}",
        ),
        description=f"Write what is in {address}",
        inputs=inputs[0],
        output_files=(OUTPUT,),
    )
