"""Images that are in Pants' store, by digest and size of a manifest or an index."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pants.engine.fs import CreateDigest, Digest, FileDigest, FileEntry
from pants.engine.process import ProcessCacheScope

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError, process, succeeded

_NAME = re.compile(r"(sha256:[0-9a-f]{64})(?::([0-9]{1,9}))?\Z")


@dataclass(frozen=True)
class Stored:
    """`digest` is `sha256:…`, `size` the bytes of the manifest or index itself."""

    digest: str
    size: int

    @classmethod
    def parse(cls, name: str) -> Stored | None:
        """None for what is no digest but a path. Raises BundlerError MINIMG-E018 without a size."""
        match = _NAME.match(name)
        if match is None:
            return None
        if match[2] is None:
            error = MinimgError(
                "MINIMG-E018",
                name,
                "Pants' store finds a blob by digest and size together",
                "Write the size behind it, as in `sha256:…:1234`: it is beside the digest in the "
                "image's docker-info.json.",
            )
            raise BundlerError(str(error))
        return cls(match[1], int(match[2]))


def is_missing(error: Exception) -> bool:
    """Whether Pants lacks a blob, or has it with another size: neither is a type of its own."""
    return any(words in str(error) for words in ("not present in", "hash collision reading"))


def missing(name: Stored) -> BundlerError:
    error = MinimgError(
        "MINIMG-E048",
        f"{name.digest}:{name.size}",
        "it is not, or no longer whole, in the store of this machine's Pants",
        "Build it again, or compare with a tar that was kept, or by `--since`.",
    )
    return BundlerError(str(error))


def _entry(path: str, digest: str, size: int) -> FileEntry:
    return FileEntry(path, FileDigest(digest[len("sha256:") :], size))


async def _named(bundler: Bundler, name: Stored) -> dict[str, list[Stored]]:
    """What a manifest or an index names. Raises BundlerError MINIMG-E048.

    Read by a process: what a rule itself lacks in the store, Pants lets no rule catch.
    """
    inputs = await engine.create_digests(
        [CreateDigest([_entry("document", name.digest, name.size)])]
    )
    step = process(
        bundler,
        ("blobs", "document"),
        description=f"Read what {name.digest} names",
        inputs=inputs[0],
        scope=ProcessCacheScope.PER_SESSION,
    )
    try:
        (result,) = await engine.execute_all([step])
        succeeded([step], [result])
    except BundlerError:
        raise missing(name) from None  # some other file is there
    except Exception as error:
        if not is_missing(error):
            raise
        raise missing(name) from None
    return {
        kind: [Stored(each["digest"], each["size"]) for each in found]
        for kind, found in json.loads(result.stdout).items()
    }


async def layout(bundler: Bundler, name: Stored, folder: str) -> Digest:
    """Its blobs as those of an OCI layout in `folder`; those of layers may be missing all the same.

    Raises BundlerError MINIMG-E048.
    """
    top = await _named(bundler, name)
    found = [name, *top["blobs"], *top["manifests"]]
    for manifest in top["manifests"]:
        found += (await _named(bundler, manifest))["blobs"]
    blobs = {each.digest: each.size for each in found}
    (digest,) = await engine.create_digests(
        [
            CreateDigest(
                _entry(f"{folder}/{oci.blob_path(sha)}", sha, size) for sha, size in blobs.items()
            )
        ]
    )
    return digest
