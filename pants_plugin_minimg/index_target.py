"""The target `minimal_docker_index`: one reference for images of several platforms."""

from __future__ import annotations

from pants.core.goals.package import OutputPathField
from pants.engine.target import COMMON_TARGET_FIELDS, SpecialCasedDependencies, Target
from pants.util.strutil import help_text

from pants_plugin_minimg.engine import EnvironmentField
from pants_plugin_minimg.target_types import (
    AnnotationsField,
    AttachSbomField,
    ExtraRunArgsField,
    FormatField,
    ImageDependenciesField,
    ImageTagsField,
    RegistriesField,
    RepositoryField,
    SkipPushField,
)


class ImagesField(SpecialCasedDependencies):
    alias = "images"
    required = True
    help = help_text(
        """
        The `minimal_docker_image` targets of the index, one for each platform.

            minimal_docker_index(name="server", images=[":server_amd64", ":server_arm64"])
        """
    )


class MinimalDockerIndexTarget(Target):
    alias = "minimal_docker_index"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        ImageDependenciesField,
        ImagesField,
        AnnotationsField,
        RegistriesField,
        RepositoryField,
        ImageTagsField,
        SkipPushField,
        AttachSbomField,
        FormatField,
        ExtraRunArgsField,
        OutputPathField,
        EnvironmentField,
    )
    help = help_text(
        """
        One reference for images of several platforms, each with a binary of its own.

            minimal_docker_image(name="server_amd64", binary=":amd64")
            minimal_docker_image(name="server_arm64", binary=":arm64", sysroot="//sysroots:arm")
            minimal_docker_index(name="server", images=[":server_amd64", ":server_arm64"])

        `package` writes one OCI index as a tar (or a folder); the manifests in it are the very ones
        of the single images. `publish` pushes it all by one digest, `run` starts the image that is
        for this machine. Docker before 25, which knows no index, loads each image of the tar under
        the tag with the platform behind it, as in `server:latest-arm64`.

        Where the sysroot decides the platform, `architectures` of `minimal_docker_image` does this
        without a target for each.
        """
    )
