"""What an image is called, written as, and sent to."""

from __future__ import annotations

from collections.abc import Iterator

from pants.engine.target import BoolField, StringField, StringSequenceField
from pants.util.strutil import help_text

from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked


class FormatField(StringField):
    TAR, LAYOUT = "tar", "oci-layout"
    alias = "format"
    default = TAR
    valid_choices = (TAR, LAYOUT)
    help = help_text(
        """
        What `package` writes: `tar`, the file that engines load, or `oci-layout`, a folder for
        skopeo, umoci, crane and other tools of registries, which holds no byte twice. `publish` and
        `run` take both.

            minimal_docker_image(name="image", binary=":server", format="oci-layout")
        """
    )


class RegistriesField(StringSequenceField, Checked):
    alias = "registries"
    default = (forms.ALL_DEFAULT_REGISTRIES,)
    value: tuple[str, ...]
    help = help_text(
        """
        The registries that the image is for: addresses, or `@` and the name of one that the option
        `[minimg].registries` configures. By default those that are configured as default; `[]`
        is for none.

        An address is a host, its port if need be, and maybe the first part of the repository.

            minimal_docker_image(
                name="image",
                binary=":server",
                registries=["@main", "registry.example.org:5000"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value:
            yield from forms.registry_choice(value)


class RepositoryField(StringField, Checked):
    alias = "repository"
    help = help_text(
        """
        The repository of the image, without a registry. By default that of the option
        `[minimg].default_repository`. Upper-case letters become lower-case.

        Placeholders: `{name}` is the target's name, `{full_directory}` the folder of its BUILD
        file, `{directory}` the last component of that, `{parent_directory}` the one before,
        `{default_repository}` the value of the option, and `{env.NAME}` the variable NAME of the
        environment that Pants runs in.

            minimal_docker_image(name="image", binary=":server", repository="tools/{name}")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.template(self.value) if self.value is not None else iter(())


class ImageTagsField(StringSequenceField, Checked):
    alias = "image_tags"
    default = ("latest",)
    value: tuple[str, ...]
    help = help_text(
        """
        The tags of the image, with the placeholders of `repository`.

            minimal_docker_image(
                name="image", binary=":server", image_tags=["{env.CI_COMMIT_SHA}", "latest"]
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if not self.value:
            yield "is empty", "Leave it out for `latest`."
        for value in self.value:
            yield from forms.tag_template(value)


class SkipPushField(BoolField):
    alias = "skip_push"
    default = False
    help = help_text(
        """
        Whether `publish` leaves this image out.

            minimal_docker_image(name="image", binary=":server", skip_push=True)
        """
    )


class AttachSbomField(BoolField):
    alias = "attach_sbom"
    default = True
    help = help_text(
        """
        Whether `publish` attaches the image's SBOM to it in the registry: as an artifact that
        refers to the image (OCI distribution specification 1.1).

            minimal_docker_image(name="image", binary=":server", attach_sbom=False)
        """
    )


class ExtraRunArgsField(StringSequenceField, Checked):
    alias = "extra_run_args"
    help = help_text(
        """
        Options of `docker run` (or of podman's) for `run`, after those of `[minimg].run_args`.

            minimal_docker_image(
                name="image", binary=":server", extra_run_args=["-p", "127.0.0.1:8080:8080"]
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if "\0" in value:
                yield f"{value!r} holds a NUL", "Take it out."
