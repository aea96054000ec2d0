"""Which libraries come along."""

from __future__ import annotations

from collections.abc import Iterator

from pants.engine.target import BoolField, StringField, StringSequenceField
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked, LibrariesField


class ExtraLibrariesField(LibrariesField):
    alias = "extra_libraries"
    help = help_text(
        """
        Names of libraries that the programs load while they run (by `dlopen`), which no file of
        theirs says. They are looked for as the programs' own loader does.

            minimal_docker_image(
                name="image", binary=":server", extra_libraries=["libnss_dns.so.2"]
            )
        """
    )


class AllowedMissingField(LibrariesField):
    alias = "allowed_missing"
    help = help_text(
        """
        Names of libraries that may be missing: a program asks for them, and they are never used.

            minimal_docker_image(name="image", binary=":server", allowed_missing=["libcuda.so.1"])
        """
    )


class DlopenField(StringField):
    alias = "dlopen"
    default = "required"
    value: str
    valid_choices = ("none", *PRIORITIES)
    help = help_text(
        """
        How far to follow what libraries and programs say in their `.note.dlopen` that they open
        while they run: `required` takes what they cannot do without, `recommended` that and what
        they miss a function without, `suggested` all; `none` takes none.

        What is required and cannot be found is an error, of the others a line in the log.

            minimal_docker_image(
                name="image",
                sysroot="//sysroots:trixie",
                executables=["/usr/bin/journalctl"],
                dlopen="recommended",
            )
        """
    )


class NssField(BoolField):
    alias = "nss"
    default = True
    help = help_text(
        """
        Whether the modules come along by which glibc's `getaddrinfo`, `getpwnam` and their kin ask
        the services of the image's `/etc/nsswitch.conf`, where a program calls them. Without that
        file only a glibc before 2.34 has any.

            minimal_docker_image(name="image", binary=":server", nss=False)
        """
    )


class LibgccField(BoolField):
    alias = "libgcc"
    default = True
    help = help_text(
        """
        Whether `libgcc_s.so.1` comes along where a program or library imports `pthread_exit`,
        `pthread_cancel` or `backtrace`: glibc opens it then and ends the program without it.

            minimal_docker_image(name="image", executables=["/usr/bin/git"], libgcc=False)
        """
    )


class AllowedLibrariesField(StringSequenceField, Checked):
    alias = "allowed_libraries"
    help = help_text(
        """
        The shared libraries that the image may hold, by the names that programs ask for, or globs
        of them. One that is not listed fails the build, and says who needs it. Without the field
        every library is fine.

            minimal_docker_image(
                name="image",
                binary=":server",
                allowed_libraries=["libc.so.6", "libssl.so.3", "libcrypto.so.3"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if not value or "/" in value:
                yield f"{value!r} is no name of a library", 'Write it as in "libssl.so.3".'
