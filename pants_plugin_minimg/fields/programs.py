"""Which programs are in an image, and what else of the sysroot."""

from __future__ import annotations

from collections.abc import Iterator

from pants.engine.target import (
    BoolField,
    SpecialCasedDependencies,
    StringField,
    StringSequenceField,
)
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler import preset_names
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import AddressField, Checked, GlobsField, PathsField


class BinaryField(AddressField):
    alias = "binary"
    help = help_text(
        """
        The address of the target that builds the program of the image.

        Anything that Pants can package (a `go_binary`, an `archive`, …) and anything that
        generates files (a `shell_command`, an `adhoc_tool`, a `file`):

            shell_command(
                name="server",
                command="cc -o server server.c",
                tools=["cc", "as", "ld"],
                execution_dependencies=[":sources"],
                output_files=["server"],
            )

            minimal_docker_image(name="image", binary=":server")

        If it builds one file, that is the program. If it builds several, the ELF files and the
        scripts with the executable bit are programs, and the rest goes along: all of them into
        `install_to`, by their paths relative to the folder of the BUILD file (of what Pants
        packages: relative to the folder that holds them all). A tar or zip is unpacked first.

        The program is what the container starts, unless `entrypoint` says otherwise. Its
        libraries, its loader or its interpreter come along by themselves.

        A `pex_binary` becomes a tree below `/app` that the Python of the sysroot runs at once, with
        the standard library beside it: see docs/python.md.
        """
    )


class ExtraBinariesField(SpecialCasedDependencies):
    alias = "extra_binaries"
    help = help_text(
        """
        Addresses of further targets that build programs, as `binary` takes one.

            minimal_docker_image(
                name="image",
                binary=":server",
                extra_binaries=[":healthcheck", "//tools:migrate"],
            )
        """
    )


class InstallToField(StringField, Checked):
    alias = "install_to"
    default = "/"
    value: str
    help = help_text(
        """
        The folder of the image that the files of `binary` and `extra_binaries` are put into.

            minimal_docker_image(name="image", binary=":server", install_to="/usr/local/bin")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.folder(self.value)


class ExecutablesField(PathsField):
    alias = "executables"
    help = help_text(
        """
        Paths of programs in the sysroot (without one: this machine's own files) to put into the
        image, at the same place, with everything that they need to start.

            minimal_docker_image(
                name="hlint_image",
                executables=["/usr/bin/hlint", "/usr/bin/git"],
                entrypoint=["/usr/bin/hlint"],
            )
        """
    )


class IncludeField(GlobsField):
    alias = "include"
    help = help_text(
        """
        Globs over the sysroot: what matches is put into the image at the same place, a folder with
        all that is in it. Of ELF files among it the libraries come along.

        `*`, `?` and `[…]` match inside one component of a path, `**` any number of components.

            minimal_docker_image(
                name="image",
                executables=["/usr/bin/git"],
                include=["/usr/share/git-core/templates", "/usr/lib/git-core/git-remote-http*"],
            )
        """
    )


class ExcludeField(GlobsField):
    alias = "exclude"
    help = help_text(
        """
        Globs of what to leave out of what `include` and the targets of `binary` and
        `extra_binaries` bring. Taking away what a program needs to start is an error.

            minimal_docker_image(
                name="image",
                executables=["/usr/bin/git"],
                include=["/usr/share/git-core"],
                exclude=["/usr/share/git-core/contrib/**"],
            )
        """
    )


class PresetsField(StringSequenceField, Checked):
    alias = "presets"
    help = help_text(
        """
        What programs expect of a system beside their libraries:

        * `ca-certificates`: `/etc/ssl/certs/ca-certificates.crt`, the certificates that TLS trusts,
          of the sysroot's package of that name.
        * `passwd`: `/etc/passwd` and `/etc/group` with root, nobody, nonroot and the image's user.
        * `tmp`: `/tmp`, which everybody may write to.
        * `nsswitch`: `/etc/nsswitch.conf`, by which local files come before DNS.
        * `tzdata`: all time zones, 3 MB, of the sysroot's package of that name. One that `env`
          names in `TZ` comes by itself.
        * `services`: `/etc/services` and `/etc/protocols`, of the sysroot's package netbase.
        * `c-utf8`: the locale C.UTF-8, which comes by itself where `env` names it.
        * `gconv`: the character sets of glibc's iconv, some 8 MB.

            minimal_docker_image(
                name="image", binary=":client", presets=["ca-certificates", "passwd"]
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if value not in preset_names.NAMES:
                known = ", ".join(preset_names.NAMES)
                yield f"{value!r} is no preset", f"Take of {known}."


class PackageRecordsField(BoolField):
    alias = "package_records"
    default = True
    help = help_text(
        """
        Whether the image says which packages its files are of: `os-release`, a record in
        `/var/lib/dpkg/status.d` and the copyright file of each. Scanners for vulnerabilities and
        licences see nothing without them. Only where the sysroot has such records.

            minimal_docker_image(
                name="image", executables=["/usr/bin/git"], package_records=False
            )
        """
    )
