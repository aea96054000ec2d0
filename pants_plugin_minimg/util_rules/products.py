"""What `package` leaves of an image: the tar or the layout's folder, and what lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact, OutputPathField
from pants.engine.fs import Digest, FileEntry

from pants_plugin_minimg.util_rules import packtrial
from pants_plugin_minimg.util_rules.image import Image
from pants_plugin_minimg.util_rules.names import ImageName
from pants_plugin_minimg.util_rules.packtrial import NOTHING_TRIED, Trial


@dataclass(frozen=True)
class BuiltMinimalImage(BuiltPackageArtifact):
    """The tar or folder of an image, or of an index of images, and what it is pushed from.

    `layout` holds its OCI layout below `layout/`, which a tar was made of, `info` is its info JSON
    without `trial`, that of its packed programs, `plan` plan.json and `sbom` the bill of
    materials; an index has none of the last three, but those of each of its `parts`. `manifest` is
    the digest of its manifest or index, `sha256:…`; `architecture` is by OCI's name.
    """

    layout: Digest | None = None
    info: FileEntry | None = None
    plan: FileEntry | None = None
    sbom: FileEntry | None = None
    manifest: str = ""
    architecture: str = ""
    is_tar: bool = True
    names: tuple[ImageName, ...] = ()
    remarks: tuple[str, ...] = ()
    parts: tuple[BuiltMinimalImage, ...] = ()
    trial: Trial = NOTHING_TRIED

    @classmethod
    def create(
        cls,
        relpath: str,
        made: Image,
        called: tuple[ImageName, ...],
        remarks: Sequence[str],
        plan: FileEntry,
        trial: Trial,
    ) -> BuiltMinimalImage:
        (manifest,) = made.details["manifests"]
        return cls(
            relpath=relpath,
            extra_log_lines=(*made.details["log_lines"], *packtrial.lines(trial), *remarks),
            layout=made.layout,
            info=made.info,
            plan=plan,
            sbom=made.sbom,
            manifest=manifest["digest"],
            architecture=manifest["platform"]["architecture"],
            is_tar=made.tar is not None,
            names=called,
            remarks=tuple(remarks),
            trial=trial,
        )

    def each(self) -> tuple[BuiltMinimalImage, ...]:
        """The images of an index, or the image itself."""
        return self.parts or (self,)


def images(built: BuiltPackage) -> list[BuiltMinimalImage]:
    """Of what a target built the images, each one of an index."""
    return [
        part
        for item in built.artifacts
        if isinstance(item, BuiltMinimalImage)
        for part in BuiltMinimalImage.each(item)
    ]


@dataclass(frozen=True)
class ArtifactPaths:
    """Where the image goes below the distribution folder, and each file beside it."""

    image: str
    stem: str

    @classmethod
    def of(cls, output_path: OutputPathField, tar: bool) -> ArtifactPaths:
        """A path that the user gave is the image's. The image is a tar, or a layout's folder."""
        image = output_path.value_or_default(file_ending="tar" if tar else None)
        return cls(image, image[: -len(".tar")] if image.endswith(".tar") else image)

    @property
    def info(self) -> str:
        return f"{self.stem}.docker-info.json"

    @property
    def html(self) -> str:
        return f"{self.stem}.html"

    def plan(self, label: str = "") -> str:
        """`label` tells the images of an index apart."""
        return self._of_one("plan.json", label)

    def sbom(self, label: str = "") -> str:
        return self._of_one("cdx.json", label)

    def _of_one(self, suffix: str, label: str) -> str:
        return f"{self.stem}.{label}.{suffix}" if label else f"{self.stem}.{suffix}"

    def product(self, made: Image) -> list[FileEntry]:
        """The tar, or the layout's files."""
        if made.tar is not None:
            return [FileEntry(self.image, made.tar.file_digest)]
        return [
            FileEntry(f"{self.image}/{name}", file.file_digest) for name, file in made.files.items()
        ]
