"""The layers of an image in an OCI layout or in what `docker save` wrote.

OCI image specification: image-layout.md, image-index.md, manifest.md, config.md. Docker's form:
`manifest.json` with `Config` and `Layers`, moby's image/spec/spec.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler import jsonfile, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import escaped, path_bytes

LAYOUT, INDEX, DOCKER = b"/oci-layout", b"/index.json", b"/manifest.json"
_MAX_JSON, _MAX_DEPTH, _MAX_LAYERS = 1 << 24, 4, 1000
_DIGEST = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


class Layer(NamedTuple):
    """Where a layer's tar is, packed or not, and the digest of the tar itself.

    `blob` is the digest of what is at `path`, or None where there is none to compare with.
    """

    path: bytes
    diff_id: str
    blob: str | None


class Image(NamedTuple):
    """`platform` has `os`, `architecture` and perhaps `variant`; the lowest layer comes first."""

    platform: dict[str, str]
    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        return "/".join(self.platform.values())


class ImageSource:
    """`tree` holds the layout. Everything raises MinimgError MINIMG-E027 about `subject`."""

    def __init__(self, tree: Sysroot, subject: str) -> None:
        self._tree = tree
        self._subject = subject

    @staticmethod
    def is_layout(tree: Sysroot) -> bool:
        return all(_is_file(tree, path) for path in (LAYOUT, INDEX))

    @staticmethod
    def is_docker(tree: Sysroot) -> bool:
        """Whether a manifest.json is what docker calls so."""
        if not _is_file(tree, DOCKER):
            return False
        with tree.open(tree.walk(DOCKER).real) as file:
            raw = file.read(_MAX_JSON)
        try:
            images = jsonfile.parse(raw)
        except (ValueError, RecursionError):
            return False
        return isinstance(images, list) and all(
            isinstance(image, dict) and "Config" in image and "Layers" in image for image in images
        )

    def image(self, architecture: str | None) -> Image:
        """The one image, or the one for an architecture."""
        try:
            found = self._oci() if self.is_layout(self._tree) else self._docker()
            # One image may be listed under several names.
            candidates = list(
                {
                    (image.name, image.layers): image
                    for image in found
                    if image.platform["os"] == "linux"
                }.values()
            )
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(f"it is not what the specification says: {error!r}") from None
        wanted = [
            image
            for image in candidates
            if architecture is None or image.platform["architecture"] == architecture
        ]
        if len(wanted) != 1:
            names = ", ".join(sorted(image.name for image in candidates)) or "none for linux"
            number = "no image" if not wanted else "more than one image"
            what = "" if architecture is None else f" for {architecture}"
            raise self._damaged(f"it holds {number}{what}; those in it are: {names}")
        return wanted[0]

    def open(self, layer: Layer) -> BinaryIO:
        """The file of a layer, whose bytes are those of its digest."""
        if layer.blob is not None:
            self._verify(layer.path, layer.blob)
        return self._open(layer.path)

    def _oci(self) -> list[Image]:
        return self._of_index(self._json(INDEX), 0)

    def _of_index(self, index: Any, depth: int) -> list[Image]:
        if depth > _MAX_DEPTH:
            raise self._damaged("it has indexes within indexes")
        found: list[Image] = []
        for descriptor in index["manifests"]:
            platform = descriptor.get("platform") or {}
            if platform.get("os") == "unknown" or "artifactType" in descriptor:
                continue  # an attestation, not an image
            if not _is_file(self._tree, self._blob_path(descriptor["digest"])):
                continue  # of another platform, and left out when the image was saved
            document = self._blob_json(descriptor)
            kind = document.get("mediaType") or descriptor["mediaType"]
            if kind in _INDEX_TYPES:
                found.extend(self._of_index(document, depth + 1))
            else:
                found.append(self._of_manifest(document))
        return found

    def _of_manifest(self, manifest: Any) -> Image:
        config = self._blob_json(manifest["config"])
        digests = [descriptor["digest"] for descriptor in manifest["layers"]]
        return self._with_config(config, list(map(self._blob_path, digests)), digests)

    def _docker(self) -> list[Image]:
        found = []
        for item in self._json(DOCKER):
            name = item["Config"]
            path = b"/" + path_bytes(escaped(name))
            digest = re.search(r"(?:\A|/)([0-9a-f]{64})(?:\.json)?\Z", name)
            if digest is not None:
                self._verify(path, f"sha256:{digest.group(1)}")
            layers = [b"/" + path_bytes(escaped(layer)) for layer in item["Layers"]]
            found.append(self._with_config(self._json(path), layers, [None] * len(layers)))
        return found

    def _with_config(
        self, config: Any, paths: Sequence[bytes], blobs: Sequence[str | None]
    ) -> Image:
        diff_ids = config["rootfs"]["diff_ids"]
        if len(diff_ids) != len(paths) or len(paths) > _MAX_LAYERS:
            raise self._damaged(f"{len(paths)} layers, and {len(diff_ids)} in the configuration")
        for diff_id in diff_ids:
            if not _DIGEST.match(diff_id):
                raise self._damaged(f"{diff_id!r} is no digest")
        platform = {"os": config["os"], "architecture": config["architecture"]}
        if config.get("variant"):
            platform["variant"] = config["variant"]
        if not all(isinstance(value, str) for value in platform.values()):
            raise self._damaged("its platform is no text")
        return Image(platform, tuple(map(Layer, paths, diff_ids, blobs)))

    def _blob_path(self, digest: str) -> bytes:
        if not _DIGEST.match(digest):
            raise self._damaged(f"{digest!r} is no digest")
        algorithm, _, value = digest.partition(":")
        return f"/blobs/{algorithm}/{value}".encode()

    def _blob_json(self, descriptor: Any) -> Any:
        path = self._blob_path(descriptor["digest"])
        self._verify(path, descriptor["digest"])
        return self._json(path)

    def _json(self, path: bytes) -> Any:
        with self._open(path) as file:
            raw = file.read(_MAX_JSON + 1)
        if len(raw) > _MAX_JSON:
            raise self._damaged(f"its {path.decode('utf-8', 'backslashreplace')} is too large")
        return jsonfile.parse(raw)

    def _verify(self, path: bytes, digest: str) -> None:
        algorithm, _, wanted = digest.partition(":")
        with self._open(path) as file:
            found = pieces.digest(file, hashlib.new(algorithm))
        if found != wanted:
            raise self._damaged(f"the bytes of the blob {digest} are other ones")

    def _open(self, path: bytes) -> BinaryIO:
        walk = self._tree.walk(path)
        if walk.stat is None or walk.stat.kind != "file":
            raise self._damaged(f"it lacks {path[1:].decode('utf-8', 'backslashreplace')}")
        return self._tree.open(walk.real)

    def _damaged(self, problem: str) -> MinimgError:
        return MinimgError("MINIMG-E027", self._subject, problem, "It is not used.")


def _is_file(tree: Sysroot, path: bytes) -> bool:
    stat = tree.walk(path).stat
    return stat is not None and stat.kind == "file"
