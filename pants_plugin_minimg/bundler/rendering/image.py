"""An image over layers that exist: config, manifest, index, and docker's own manifest.json.

Only documents are written here. The layers' blobs are not read: what is known of them suffices.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.rendering.imagespec import (
    Healthcheck,
    ImageSpec,
    Name,
    Process,
    port,
)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # docker's default
_MADE_BY = "pants-plugin-minimg"
_HUB = "docker.io"


class Image(NamedTuple):
    """The image's documents. `platform` has the keys os, architecture and maybe variant."""

    platform: dict[str, str]
    layers: tuple[oci.Layer, ...]
    config: oci.Blob
    manifest: oci.Blob
    names: tuple[Name, ...]

    def files(self) -> dict[str, bytes]:
        """The layout but for the layers' blobs: path in it -> content."""
        return {
            "oci-layout": jsonfile.canonical(oci.LAYOUT),
            "index.json": jsonfile.canonical(_index(self)),
            "manifest.json": jsonfile.canonical(_docker_manifest(self)),
            oci.blob_path(self.config.digest): self.config.content,
            oci.blob_path(self.manifest.digest): self.manifest.content,
        }


def build(
    spec: ImageSpec,
    layers: tuple[oci.Layer, ...],
    platform: dict[str, str],
    entrypoint: tuple[str, ...],
    created: int = 0,
) -> Image:
    """`layers` from the lowest up; `entrypoint` counts where the spec has none.

    `created` is what the config says, in seconds since 1970.
    """
    config = oci.Blob(
        oci.CONFIG, jsonfile.canonical(_config(spec.process, layers, platform, entrypoint, created))
    )
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    if spec.annotations:
        manifest["annotations"] = dict(spec.annotations)
    return Image(
        platform, layers, config, oci.Blob(oci.MANIFEST, jsonfile.canonical(manifest)), spec.names
    )


def _config(
    process: Process,
    layers: tuple[oci.Layer, ...],
    platform: dict[str, str],
    entrypoint: tuple[str, ...],
    created: int,
) -> dict[str, Any]:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    return {
        **platform,
        "created": stamp,
        "config": _container(process, process.entrypoint or entrypoint),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": stamp, "created_by": _MADE_BY} for _ in layers],
    }


def _container(process: Process, entrypoint: tuple[str, ...]) -> dict[str, Any]:
    env = dict(process.env)
    if "PATH" not in env:
        env = {"PATH": _PATH, **env}
    values: dict[str, Any] = {
        "User": process.user,
        "ExposedPorts": {port(text): {} for text in process.ports},
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Entrypoint": list(entrypoint),
        "Cmd": list(process.cmd),
        "Volumes": {path: {} for path in process.volumes},
        "WorkingDir": process.workdir,
        "Labels": dict(process.labels),
        "StopSignal": process.stop_signal,
        "Healthcheck": _healthcheck(process.healthcheck),
    }
    return {key: value for key, value in values.items() if value}


def _healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    """As moby has it in its config (api/types/container, HealthConfig); OCI has no such field."""
    if check is None:
        return None
    values = {
        "Test": ["CMD", *check.command],
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "Retries": check.retries,
    }
    return {key: value for key, value in values.items() if value}


def _index(image: Image) -> dict[str, Any]:
    descriptor = {**image.manifest.descriptor(), "platform": image.platform}
    return {
        "schemaVersion": 2,
        "mediaType": oci.INDEX,
        "manifests": named_descriptors(descriptor, image.names),
    }


def named_descriptors(descriptor: dict[str, Any], names: Sequence[Name]) -> list[dict[str, Any]]:
    """One descriptor a name: the only form in which every reader finds every tag."""
    named = [
        {
            **descriptor,
            "annotations": {
                "io.containerd.image.name": full_reference(name.name),
                "org.opencontainers.image.ref.name": name.tag,
            },
        }
        for name in names
    ]
    return named or [descriptor]


def _docker_manifest(image: Image) -> list[dict[str, Any]]:
    return [
        {
            "Config": oci.blob_path(image.config.digest),
            "RepoTags": [name.name for name in image.names],
            "Layers": [oci.blob_path(layer.digest) for layer in image.layers],
        }
    ]


def full_reference(name: str) -> str:
    """A name with its registry, as containerd stores it (distribution/reference, normalize.go)."""
    registry, slash, rest = name.partition("/")
    is_registry = slash and (
        registry == "localhost" or {".", ":"} & set(registry) or registry != registry.lower()
    )
    if not is_registry:
        registry, rest = _HUB, name
    if registry == _HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{registry}/{rest}"
