"""`publish` of a `minimal_docker_image`: skopeo pushes its layout, and attaches its SBOM."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pants.core.goals.publish import (
    PublishFieldSet,
    PublishOutputData,
    PublishPackages,
    PublishProcesses,
    PublishRequest,
)
from pants.core.util_rules.system_binaries import BinaryPathRequest
from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.engine.process import InteractiveProcess
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg import target_types as fields
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import Bundler, process, run_all, set_up_bundler
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.util_rules import host
from pants_plugin_minimg.util_rules.closure import files_below
from pants_plugin_minimg.util_rules.image import SBOM
from pants_plugin_minimg.util_rules.names import ImageName
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage
from pants_plugin_minimg.util_rules.unprinted import Unprinted

#: What skopeo, and a credential helper that it starts, may need of the user's environment.
ENVIRONMENT = (
    "HOME",
    "PATH",
    "TMPDIR",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class CannotPublish(Exception):
    """Why nothing can be pushed, one line a problem."""


class PublishMinimalDockerImageRequest(PublishRequest):
    pass


@dataclass(frozen=True)
class MinimalDockerImagePublishFieldSet(PublishFieldSet):
    publish_request_type = PublishMinimalDockerImageRequest
    required_fields = (fields.RegistriesField, fields.SkipPushField, fields.AttachSbomField)

    registries: fields.RegistriesField
    skip_push: fields.SkipPushField
    attach_sbom: fields.AttachSbomField

    def get_output_data(self) -> PublishOutputData:
        return PublishOutputData(
            {
                "publisher": "minimg",
                "registries": self.registries.value,
                **super().get_output_data(),
            }
        )


def reason_to_skip(field_set: MinimalDockerImagePublishFieldSet, name: ImageName) -> str | None:
    """Why a name is not pushed, as Pants prints it after `skipped`."""
    if field_set.skip_push.value:
        return f"(by `{field_set.skip_push.alias}` on {field_set.address})"
    if name.registry is None:
        return f"(no registry: `{field_set.registries.alias}` of {field_set.address} names none)"
    if name.local:
        return f"(by `use_local_alias` on registry {name.registry.label})"
    if name.registry.skip_push:
        return f"(by `skip_push` on registry {name.registry.label})"
    return None


def skipped(
    field_set: MinimalDockerImagePublishFieldSet, names: Sequence[ImageName]
) -> Iterator[PublishPackages]:
    """One entry a reason, as `docker_image` has them."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        reason = reason_to_skip(field_set, name)
        if reason is not None:
            by_reason.setdefault(reason, []).append(str(name))
    for reason, skipped_names in by_reason.items():
        yield PublishPackages(names=tuple(skipped_names), description=reason)


async def _environment(options: MinimgSubsystem) -> Mapping[str, str]:
    bad = [name for name in options.publish_env_vars if not _VARIABLE.match(name)]
    if bad:
        raise CannotPublish(
            str(
                MinimgError(
                    "MINIMG-E018",
                    "[minimg].publish_env_vars",
                    f"{bad[0]!r} is no name of a variable",
                    "Give names alone: values are taken from the environment.",
                )
            )
        )
    found = await engine.environment_variables((*ENVIRONMENT, *options.publish_env_vars))
    return {name: Unprinted(value) for name, value in found.items()}


async def _skopeo(search_path: engine.StandardSearchPath, path: str, address: str) -> str:
    """The program, of the user's own PATH or where Pants looks for programs of the machine."""
    folders = (*filter(None, path.split(":")), *search_path.folders)
    found = await engine.find_program(
        BinaryPathRequest(binary_name="skopeo", search_path=tuple(dict.fromkeys(folders)))
    )
    if found.first_path is None:
        raise CannotPublish(
            str(
                MinimgError(
                    "MINIMG-E031",
                    address,
                    "there is no `skopeo` on `PATH` to push the image with",
                    "Install it, from 1.9 on: Debian and Ubuntu have a package of that name.",
                )
            )
        )
    return found.first_path.path


async def _referrers(
    bundler: Bundler, images: Sequence[BuiltMinimalImage], address: str
) -> Mapping[str, Digest]:
    """By the folder that it is in: an OCI layout, by which an image's SBOM is attached to it."""
    entries = await engine.digest_entries_all([image.layout for image in images if image.layout])
    inputs = await engine.create_digests(
        [
            CreateDigest(
                [files_below(one, "layout")["index.json"], FileEntry(SBOM, image.sbom.file_digest)]
            )
            for image, one in zip(images, entries)
            if image.sbom is not None
        ]
    )
    steps = {}
    for number, digest in enumerate(inputs):
        folder = f"referrer/{number}"
        steps[folder] = process(
            bundler,
            ("referrer", "--index=layout/index.json", f"--sbom={SBOM}", f"--out={folder}"),
            description=f"Prepare the SBOM of {address} for registries",
            inputs=digest,
            output_directories=(folder,),
        )
    return dict(zip(steps, await run_all(list(steps.values()))))


async def _push(
    bundler: Bundler,
    field_set: MinimalDockerImagePublishFieldSet,
    image: BuiltMinimalImage,
    names: Sequence[ImageName],
    options: MinimgSubsystem,
    search_path: engine.StandardSearchPath,
) -> tuple[PublishPackages, ...]:
    address = str(field_set.address)
    assert image.layout is not None
    environment = await _environment(options)
    skopeo = await _skopeo(search_path, environment.get("PATH", ""), address)
    inputs = image.layout
    attached: tuple[str, ...] = ()
    if field_set.attach_sbom.value:
        referrers = await _referrers(bundler, image.each(), address)
        inputs = await engine.merge_all((inputs, *referrers.values()))
        attached = tuple(f"--referrer={folder}" for folder in referrers)
    published = []
    for name in names:
        pushing = process(
            bundler,
            (
                "push",
                f"--skopeo={skopeo}",
                f"--retries={options.publish_retries}",
                f"--address={address}",
                "--layout=layout",
                f"--location={name.location}",
                f"--tag={name.tag}",
                *attached,
            ),
            description=f"Push {name}",
            inputs=inputs,
        )
        reference = f"{name.location}@{image.manifest}"
        published.append(
            PublishPackages(
                names=(str(name),),
                # The environment is for this process alone, which is never cached.
                process=InteractiveProcess(
                    argv=pushing.argv,
                    env={**pushing.env, **environment},
                    input_digest=pushing.input_digest,
                    immutable_input_digests=pushing.immutable_input_digests,
                ),
                description=reference,
                data=PublishOutputData({"digest": image.manifest, "reference": reference}),
            )
        )
    return tuple(published)


@rule(desc="Publish a minimal image", level=LogLevel.DEBUG)
async def publish_minimal_docker_image(
    request: PublishMinimalDockerImageRequest,
    options: MinimgSubsystem,
    access: host.HostAccess,
    search_path: engine.StandardSearchPath,
) -> PublishProcesses:
    field_set = request.field_set
    assert isinstance(field_set, MinimalDockerImagePublishFieldSet)
    (image,) = [
        artifact
        for package in request.packages
        for artifact in package.artifacts
        if isinstance(artifact, BuiltMinimalImage)
    ]
    wanted = [name for name in image.names if reason_to_skip(field_set, name) is None]
    pushed: tuple[PublishPackages, ...] = ()
    if wanted:
        bundler = await set_up_bundler(access.python)
        pushed = await _push(bundler, field_set, image, wanted, options, search_path)
    return PublishProcesses((*pushed, *skipped(field_set, image.names)))


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), *MinimalDockerImagePublishFieldSet.rules()]
