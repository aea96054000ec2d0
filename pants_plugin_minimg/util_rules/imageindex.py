"""From images of several platforms to one index: the documents, and the tar made of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact, OutputPathField
from pants.engine.fs import CreateDigest, FileEntry

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.rendering.imageindex import label
from pants_plugin_minimg.bundler.rendering.oci import BLOBS
from pants_plugin_minimg.subsystems.bundler import process, run_all, set_up_bundler
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.util_rules import host, htmlpage, image, packtrial, products
from pants_plugin_minimg.util_rules.closure import document, files_below
from pants_plugin_minimg.util_rules.names import ImageName
from pants_plugin_minimg.util_rules.products import ArtifactPaths, BuiltMinimalImage

_INFO = "docker-info.json"


@dataclass(frozen=True)
class Wanted:
    """An index: what it is called, what it is made of (`origins`, for errors), where it goes."""

    address: str
    names: tuple[ImageName, ...]
    annotations: Mapping[str, str]
    origins: Sequence[str]
    output_path: OutputPathField
    tar: bool

    def request(self, artifact: str) -> dict[str, object]:
        return {
            "version": 1,
            "artifact": artifact,
            "names": [name.to_json() for name in self.names],
            "annotations": dict(self.annotations),
            "address": self.address,
        }


def _labels(made: image.Image) -> dict[str, str]:
    """What tells the images apart, by their manifests' digests."""
    return {item["digest"]: label(item["platform"]) for item in made.details["manifests"]}


def _of_each(
    paths: ArtifactPaths,
    made: image.Image,
    parts: Sequence[BuiltMinimalImage],
    options: MinimgSubsystem,
) -> list[FileEntry]:
    """What lies beside the index of each of its images."""
    labels = _labels(made)
    found = []
    for part in parts:
        if part.sbom is not None:
            found.append(FileEntry(paths.sbom(labels[part.manifest]), part.sbom.file_digest))
        if options.plans and part.plan is not None:
            found.append(FileEntry(paths.plan(labels[part.manifest]), part.plan.file_digest))
    return found


async def _package(
    wanted: Wanted,
    paths: ArtifactPaths,
    made: image.Image,
    parts: Sequence[BuiltMinimalImage],
    beside: Sequence[FileEntry],
) -> BuiltPackage:
    (digest,) = await engine.create_digests([CreateDigest([*paths.product(made), *beside])])
    labels = _labels(made)
    tried = [
        f"  {labels[part.manifest]}: {line.lstrip()}"
        for part in parts
        for line in packtrial.lines(part.trial)
    ]
    remarks = dict.fromkeys(line for part in parts for line in part.remarks)
    return BuiltPackage(
        digest,
        (
            BuiltMinimalImage(
                relpath=paths.image,
                extra_log_lines=(*made.details["log_lines"], *tried, *remarks),
                layout=made.layout,
                info=made.info,
                manifest=made.details["index"]["digest"],
                is_tar=made.tar is not None,
                names=wanted.names,
                parts=tuple(parts),
            ),
            *(BuiltPackageArtifact(entry.path) for entry in beside),
        ),
    )


async def build(
    wanted: Wanted,
    packages: Sequence[BuiltPackage],
    access: host.HostAccess,
    options: MinimgSubsystem,
) -> BuiltPackage:
    """The index over the images of `packages`, whose manifests and layers are taken as they are.

    Raises BundlerError MINIMG-E040 for two images of one platform.
    """
    found = [
        (origin, part)
        for origin, built in zip(wanted.origins, packages)
        for part in products.images(built)
    ]
    parts = [part for _, part in found]
    layouts = await engine.digest_entries_all([part.layout for part in parts if part.layout])
    files = [files_below(entries, "layout") for entries in layouts]
    blobs = {
        path: entry for one in files for path, entry in one.items() if path.startswith(f"{BLOBS}/")
    }
    paths = ArtifactPaths.of(wanted.output_path, wanted.tar)
    inputs = await engine.create_digests(
        [
            CreateDigest([document("index.json", wanted.request(paths.image))]),
            CreateDigest(
                [
                    *(
                        FileEntry(f"images/{number}/{name}", one[name].file_digest)
                        for number, one in enumerate(files)
                        for name in ("index.json", "manifest.json")
                    ),
                    *(
                        FileEntry(f"images/{number}/{_INFO}", part.info.file_digest)
                        for number, part in enumerate(parts)
                        if part.info is not None
                    ),
                    *(
                        FileEntry(f"layers/{path}", entry.file_digest)
                        for path, entry in (blobs if wanted.tar else {}).items()
                    ),
                ]
            ),
        ]
    )
    folders = [f"images/{number}" for number in range(len(parts))]
    bundler = await set_up_bundler(access.python)
    outputs = await run_all(
        [
            process(
                bundler,
                (
                    "index",
                    "--request=index.json",
                    *("--origin", *(origin for origin, _ in found)),
                    *("--image", *folders),
                    *("--info", *(f"{folder}/{_INFO}" for folder in folders)),
                    *(("--layers=layers", "--tar=out/image.tar") if wanted.tar else ()),
                    "--out=out",
                ),
                description=f"Write the index {wanted.address} ({len(parts)} images)",
                inputs=await engine.merge_all(inputs),
                output_directories=("out",),
            )
        ]
    )
    entries = await engine.digest_entries_all(outputs)
    made = await image.finished(files_below(entries[0], "out"), blobs)
    told_of = await packtrial.added(made, {part.manifest: part.trial for part in parts})
    beside = [
        FileEntry(paths.info, told_of.info.file_digest),
        *_of_each(paths, made, parts, options),
    ]
    plans = [part.plan for part in parts if part.plan]
    if options.html:
        page = await htmlpage.page(bundler, plans, made.info, wanted.address)
        beside.append(FileEntry(paths.html, page.file_digest))
    return await _package(wanted, paths, made, parts, beside)
