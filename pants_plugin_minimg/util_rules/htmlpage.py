"""The page that shows what is in an image, or in those of an index, for a browser."""

from __future__ import annotations

from collections.abc import Sequence

from pants.engine.fs import CreateDigest, FileEntry

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process, run_all

_OUTPUT = "page.html"


async def page(
    bundler: Bundler, plans: Sequence[FileEntry], info: FileEntry, address: str
) -> FileEntry:
    """`plans` are the plan.json of each image, in any order."""
    names = [f"plans/{number}.json" for number, _ in enumerate(plans)]
    inputs = await engine.create_digests(
        [
            CreateDigest(
                [
                    *(FileEntry(name, plan.file_digest) for name, plan in zip(names, plans)),
                    FileEntry("info.json", info.file_digest),
                ]
            )
        ]
    )
    outputs = await run_all(
        [
            process(
                bundler,
                ("html", "--plan", *names, "--info=info.json", f"--out={_OUTPUT}"),
                description=f"Write the page about {address}",
                inputs=inputs[0],
                output_files=(_OUTPUT,),
            )
        ]
    )
    (entries,) = await engine.digest_entries_all(outputs)
    (written,) = [entry for entry in entries if isinstance(entry, FileEntry)]
    return written
