"""What a user is told of an image: the info JSON, and the lines that are printed.

The first keys are those of Pants' own `docker_image`, so that what reads its JSON reads ours too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.rendering.imagespec import ImageSpec, IndexSpec, Name
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.text import text


def load_packed(paths: Iterable[str]) -> list[dict[str, Any]]:
    """What was said of each program when it was packed. Raises MinimgError MINIMG-E001."""
    reports = []
    for path in paths:
        raw = jsonfile.load(path)
        with jsonfile.reading(path):
            reports.append(
                {
                    "content": str(raw["content"]),
                    "packed_content": str(raw["packed_content"]),
                    "outcome": str(raw["outcome"]),
                    "reason": str(raw["reason"]),
                    "plain": int(raw["plain"]),
                    "packed": int(raw["packed"]),
                    "plain_wire": int(raw["plain_wire"]),
                    "packed_wire": int(raw["packed_wire"]),
                    "upx_version": str(raw["upx_version"]),
                    "args": list(map(str, raw["args"])),
                }
            )
    return reports


def packed_contents(reports: Iterable[dict[str, Any]]) -> dict[str, str]:
    """SHA-256 of the plain bytes -> of the packed ones, for what UPX packed."""
    return {
        report["content"]: report["packed_content"]
        for report in reports
        if report["outcome"] == "packed"
    }


def programs(entries: list[Entry], packed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same by path: a content that is at two paths counts twice.

    Raises MinimgError MINIMG-E001 for a content that the plan does not hold.
    """
    found = []
    for report in packed:
        paths = [
            entry.path
            for entry in entries
            if entry.kind == "file" and entry.content == report["content"]
        ]
        if not paths:
            raise MinimgError(
                "MINIMG-E001", report["content"], "it was packed, and no path of the plan has it"
            )
        hidden = ("content", "packed_content")
        facts = {key: value for key, value in report.items() if key not in hidden}
        found += [{"path": text(path), **facts} for path in paths]
    return sorted(found, key=lambda program: str(program["path"]))


def info(
    spec: ImageSpec,
    config: oci.Blob,
    manifest: oci.Blob,
    platform: dict[str, str],
    layers: tuple[oci.Layer, ...],
    packed: list[dict[str, Any]],
) -> dict[str, Any]:
    """The info JSON. All sizes are bytes.

    `size_on_disk` sums the files' sizes, `size_on_wire` what a first pull transfers: manifest,
    config and compressed layers. `packed` is what `programs` gives.
    """
    saved = sum(program["plain"] - program["packed"] for program in packed)
    image = {
        "digest": manifest.digest,
        "media_type": manifest.media_type,
        "size": len(manifest.content),
        "platform": platform,
        "image_id": config.digest,
        "layers": [
            {
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "size": layer.size,
                "media_type": layer.media_type,
            }
            for layer in layers
        ],
        "size_on_disk": sum(layer.disk for layer in layers),
        "size_on_wire": sum(layer.size for layer in layers)
        + len(config.content)
        + len(manifest.content),
        "files": sum(layer.files for layer in layers),
        "upx": {"saved": saved, "programs": packed},
    }
    return {
        "version": 1,
        "image_id": config.digest,
        "registries": _registries(spec.names),
        "artifact": spec.artifact,
        "manifests": [image],
        "log_lines": _lines(spec, image),
    }


def index_info(spec: IndexSpec, index: oci.Blob, images: list[dict[str, Any]]) -> dict[str, Any]:
    """The info JSON of an index. `images` are the parts of its images' own, in its order."""
    return {
        "version": 1,
        "image_id": index.digest,
        "registries": _registries(spec.names),
        "artifact": spec.artifact,
        "index": {
            "digest": index.digest,
            "media_type": index.media_type,
            "size": len(index.content),
        },
        "manifests": images,
        "log_lines": [
            f"{spec.artifact}: {', '.join(name.name for name in spec.names)}",
            f"  index {index.digest}",
            *(line for image in images for line in _image_lines(image)),
        ],
    }


def _image_lines(image: dict[str, Any]) -> Iterator[str]:
    """Of one image of an index."""
    platform = "/".join(oci.platform(image["platform"]).values())
    yield f"  {platform}: manifest {image['digest']}, {_sizes(image)}"
    yield from (f"  {line}" for line in _upx_lines(image["upx"]))


def _registries(names: tuple[Name, ...]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str | None, str | None, str], list[Name]] = {}
    for name in names:
        grouped.setdefault((name.alias, name.address, name.repository), []).append(name)
    return [
        {
            "alias": alias,
            "address": address,
            "repository": repository,
            "tags": [
                {
                    "template": name.template,
                    "tag": name.tag,
                    "uses_local_alias": name.local,
                    "name": name.name,
                }
                for name in tagged
            ],
        }
        for (alias, address, repository), tagged in grouped.items()
    ]


_HEALTHCHECK = (
    "  its health check is docker's: podman, containerd and Kubernetes do not read it in OCI images"
)


def _lines(spec: ImageSpec, image: dict[str, Any]) -> list[str]:
    names = ", ".join(name.name for name in spec.names) or "an image without a name"
    files, layers = _count(image["files"], "file"), _count(len(image["layers"]), "layer")
    return [
        f"{spec.artifact}: {names}",
        f"  manifest {image['digest']}",
        f"  image ID {image['image_id']}",
        f"  {_sizes(image)}, {files} in {layers}",
        *_upx_lines(image["upx"]),
        *([_HEALTHCHECK] if spec.process.healthcheck is not None else []),
    ]


def _sizes(image: dict[str, Any]) -> str:
    return f"{shown(image['size_on_disk'])} on disk, {shown(image['size_on_wire'])} on the wire"


def _upx_lines(upx: dict[str, Any]) -> list[str]:
    packed = [program for program in upx["programs"] if program["outcome"] == "packed"]
    lines = []
    if packed:
        each = ", ".join(
            f"{program['path']} {shown(program['plain'])} to {shown(program['packed'])}"
            for program in packed
        )
        lines.append(f"  UPX saved {shown(upx['saved'])} on disk: {each}")
        plain, wire = (
            sum(program[key] for program in packed) for key in ("plain_wire", "packed_wire")
        )
        lines.append(f"  {on_the_wire(plain, wire)}")
    for program in upx["programs"]:
        if program["outcome"] == "refused":
            lines.append(f"  {program['path']} stays as it is: {program['reason']}")
        elif program["outcome"] == "broken":
            lines.append(
                f"  warning: {program['path']} stays as it is, UPX broke it: {program['reason']}"
            )
    return lines


#: Below this share of what was there, starting slower for it is hardly worth the while.
_WORTH = 0.1


def on_the_wire(plain: int, packed: int) -> str:
    """What packing is worth where images are compressed anyhow, and the advice that follows."""
    saved = plain - packed
    told = f"compressed, as registries have it, that is {shown(plain)} to {shown(packed)}"
    if saved < plain * _WORTH:
        much = "little" if saved > 0 else "no gain"
        return f"{told}: {much}, so where only the wire counts, `upx=False` starts faster"
    return told


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
