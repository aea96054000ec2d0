"""A `rootfs_sysroot`: the root file system that a target builds, made readable in place."""

from __future__ import annotations

from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.engine.target import Target
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError, process, run_all
from pants_plugin_minimg.sysroot_targets import RootfsField
from pants_plugin_minimg.util_rules.executables import Wish, trees
from pants_plugin_minimg.util_rules.progress import size

#: Bytes that one may unpack to: above what any system has, below what a bomb would fill.
LIMIT = 64 << 30
FOLDER = "rootfs"
#: The index of what its packages list.
LISTS = f"{FOLDER}/lists.index"


async def unpacked(bundler: Bundler, target: Target, architecture: str | None) -> Digest:
    """Below `rootfs/`. `architecture` chooses among the images of an index, as OCI names it.

    Raises BundlerError MINIMG-E020 where the target builds more than one file.
    """
    field = target[RootfsField]
    wish = Wish(
        str(target.address),
        field.alias,
        field.to_unparsed_address_inputs(),
        "file",
        path="/rootfs",
    )
    (tree,) = await trees((wish,))
    entries = await engine.digest_entries_all((tree.digest,))
    files = [entry for entry in entries[0] if isinstance(entry, FileEntry)]
    if len(files) != 1:
        raise BundlerError(
            str(
                MinimgError(
                    "MINIMG-E020",
                    str(target.address),
                    f"`{field.alias}` names {field.value}, which builds {len(files)} files",
                    "Name a target that builds one: a tar, or an image in a file.",
                )
            )
        )
    inputs = await engine.create_digests(
        [CreateDigest([FileEntry("source", files[0].file_digest)])]
    )
    outputs = await run_all(
        [
            process(
                bundler,
                (
                    "rootfs",
                    "--in=source",
                    *((f"--architecture={architecture}",) if architecture else ()),
                    f"--limit={LIMIT}",
                    f"--out={FOLDER}",
                ),
                description=f"Unpack the root file system {target.address} ({size(files)})",
                inputs=inputs[0],
                output_directories=(FOLDER,),
                level=LogLevel.INFO,
            )
        ],
        str(target.address),
    )
    return outputs[0]
