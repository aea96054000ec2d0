"""What an image takes programs and libraries from, and for which machines."""

from __future__ import annotations

from collections.abc import Iterator

from pants.engine.target import DictStringToStringField, StringField, StringSequenceField
from pants.util.strutil import help_text

from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import AddressField, Checked


class SysrootField(AddressField):
    alias = "sysroot"
    help = help_text(
        """
        The address of the `debian_sysroot` or `rootfs_sysroot` that programs, libraries and files
        are taken from. Without it they are this machine's own, and the image depends on it.

            minimal_docker_image(
                name="image", sysroot="//sysroots:bookworm", executables=["/usr/bin/git"]
            )
        """
    )


class PackagesField(StringSequenceField, Checked):
    alias = "packages"
    help = help_text(
        """
        The packages of the `debian_sysroot` that this image may take files from; what they depend
        on is among them. By default all of the lock.

        An image with `packages` is built again only when one of these, or of what they depend on,
        changes in the lock.

            minimal_docker_image(
                name="image",
                sysroot="//sysroots:bookworm",
                packages=["git"],
                executables=["/usr/bin/git"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is not None and not self.value:
            yield "is empty", "Leave it out for all packages of the lock."


class ArchitectureField(StringField, Checked):
    alias = "architecture"
    help = help_text(
        """
        The architecture, by Debian's name, that a `debian_sysroot` is taken for. By default the
        first of its `architectures`.

            minimal_docker_image(
                name="image_arm64",
                sysroot="//sysroots:bookworm",
                architecture="arm64",
                executables=["/usr/bin/git"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is not None:
            yield from forms.architecture(self.value)


class ArchitecturesField(StringSequenceField, Checked):
    alias = "architectures"
    help = help_text(
        """
        Architectures, by Debian's names, for each of which the image is built from its sysroot. The
        result is one index: one reference, one push, and each engine takes its own. The manifests
        are the very ones of the single images. Where each architecture has a binary of its own,
        make an image for each and a `minimal_docker_index` of them.

            minimal_docker_image(
                name="git_image",
                sysroot="//sysroots:bookworm",
                architectures=["amd64", "arm64"],
                executables=["/usr/bin/git"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.architecture(value)


class AlternativesField(DictStringToStringField, Checked):
    alias = "alternatives"
    help = help_text(
        """
        Which package's program stands for a name that several packages offer (Debian's
        update-alternatives), by the path of the name.

            minimal_docker_image(
                name="image",
                sysroot="//sysroots:bookworm",
                executables=["/usr/bin/awk"],
                alternatives={"/usr/bin/awk": "/usr/bin/mawk"},
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, chosen in (self.value or {}).items():
            yield from forms.path(name)
            yield from forms.path(chosen)
