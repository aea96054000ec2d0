"""What an image must not hold, or not be larger than."""

from __future__ import annotations

from collections.abc import Iterator

from pants.engine.target import StringField, StringSequenceField
from pants.util.strutil import help_text

from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked


class AllowedSecretsField(StringSequenceField, Checked):
    alias = "allowed_secrets"
    help = help_text(
        """
        Files of the image that look like secrets and may be in it, each by its exact path.

        A private key, a token, the credentials of a cloud, or a file with a name such as `.netrc`
        or `.docker/config.json` fails the build otherwise: whoever pulls the image can read it. A
        path that is allowed and holds no secret is an error too, so that the list stays right.

            minimal_docker_image(
                name="image",
                binary=":server",
                files={"/etc/test/key.pem": ":test-key"},
                allowed_secrets=["/etc/test/key.pem"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.path(value)


class _SizeField(StringField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is not None:
            yield from forms.size(self.value)


class MaxSizeField(_SizeField):
    alias = "max_size"
    help = help_text(
        """
        The most that the files of the image may take, uncompressed. More fails the build, with the
        largest files named.

            minimal_docker_image(name="image", binary=":server", max_size="20MB")
        """
    )


class MaxWireSizeField(_SizeField):
    alias = "max_wire_size"
    help = help_text(
        """
        The most that a first pull of the image may transfer: its compressed layers and documents.

            minimal_docker_image(name="image", binary=":server", max_wire_size="8MiB")
        """
    )
