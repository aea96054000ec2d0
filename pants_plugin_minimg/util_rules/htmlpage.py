"""The page that shows what is in an image, for a browser."""

from __future__ import annotations

from pants.engine.fs import CreateDigest, FileEntry

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process, run_all
from pants_plugin_minimg.util_rules.closure import Planned
from pants_plugin_minimg.util_rules.image import Image

_OUTPUT = "page.html"


async def page(bundler: Bundler, planned: Planned, made: Image, address: str) -> FileEntry:
    inputs = await engine.create_digests(
        [
            CreateDigest(
                [
                    FileEntry("plan.json", planned.files["plan.json"].file_digest),
                    FileEntry("info.json", made.info.file_digest),
                ]
            )
        ]
    )
    outputs = await run_all(
        [
            process(
                bundler,
                ("html", "--plan=plan.json", "--info=info.json", f"--out={_OUTPUT}"),
                description=f"Write the page about {address}",
                inputs=inputs[0],
                output_files=(_OUTPUT,),
            )
        ]
    )
    (entries,) = await engine.digest_entries_all(outputs)
    (written,) = [entry for entry in entries if isinstance(entry, FileEntry)]
    return written
