"""The `minimal_docker_image` target: its fields, and what their values must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Optional, Union

from pants.core.goals.package import OutputPathField
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    DictStringToStringField,
    Field,
    InvalidFieldException,
    InvalidFieldTypeException,
    RequiredFieldMissingException,
    SpecialCasedDependencies,
    StringField,
    StringSequenceField,
    Target,
)
from pants.util.frozendict import FrozenDict
from pants.util.strutil import help_text

from pants_plugin_minimg import field_forms as forms
from pants_plugin_minimg.bundler import preset_names
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.engine import EnvironmentField


@dataclass(frozen=True)
class ImageFile:
    """A value of `files` that says more than an address: `image_file(":config", mode="0640")`.

    `mode` is octal; without it the file is 0755 or 0644, by its executable bit. `owner` is
    `uid[:gid]` in numbers; without it root owns the file.
    """

    address: str
    mode: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class ImageHealthcheck:
    """A value of `healthcheck`; times as in `30s`, None for docker's own values."""

    command: tuple[str, ...]
    interval: str | None = None
    timeout: str | None = None
    start_period: str | None = None
    retries: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if value is not None}


def image_healthcheck(
    *command: str,
    interval: str | None = None,
    timeout: str | None = None,
    start_period: str | None = None,
    retries: int | None = None,
) -> ImageHealthcheck:
    """What a BUILD file writes: `image_healthcheck("/bin/server", "--healthy", interval="30s")`."""
    return ImageHealthcheck(command, interval, timeout, start_period, retries)


#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Address = Optional[str]
_Files = Optional[dict[str, Union[str, ImageFile]]]
_Healthcheck = Optional[ImageHealthcheck]
_Upx = Optional[Union[bool, str]]
_UpxCheck = Optional[Union[bool, Iterable[str]]]
_FrozenFiles = Optional[FrozenDict[str, Union[str, ImageFile]]]


class Checked:
    """Mixed into a field: `complaints` are the `(problem, remedy)` pairs of a value of its type."""

    def complaints(self) -> Iterator[forms.Complaint]:
        raise NotImplementedError()


# -- Contents ------------------------------------------------------------------------------------


class AddressField(SpecialCasedDependencies):
    """The address of one target."""

    value: str | None  # type: ignore[assignment]

    @classmethod
    def compute_value(  # type: ignore[override]
        cls, raw_value: _Address, address: Address
    ) -> _Address:
        if raw_value is None and cls.required:
            raise RequiredFieldMissingException(address, cls.alias)
        if raw_value is not None and not isinstance(raw_value, str):
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="an address (a string)"
            )
        return raw_value

    def to_unparsed_address_inputs(self) -> UnparsedAddressInputs:
        return _inputs(self, () if self.value is None else (self.value,))


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


class _PathsField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.path(value)


class _GlobsField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.glob(value)


class _LibrariesField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.library(value)


class ExecutablesField(_PathsField):
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


class IncludeField(_GlobsField):
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


class ExcludeField(_GlobsField):
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


class FilesField(SpecialCasedDependencies, Checked):
    alias = "files"
    value: FrozenDict[str, str | ImageFile] | None  # type: ignore[assignment]
    help = help_text(
        """
        Files that the build makes or the repository holds, by their paths in the image. A value
        is the address of a target, or an `image_file` with a mode and an owner in numbers.

            file(name="config", source="app.toml")

            minimal_docker_image(
                name="image",
                binary=":server",
                files={
                    "/etc/app.toml": ":config",
                    "/etc/secret.toml": image_file(":config", mode="0640", owner="0:65532"),
                },
            )

        A target with one file puts it at the path. One with several makes a folder of the path,
        with the files below it, relative to the folder of the BUILD file.
        """
    )

    @classmethod
    def compute_value(  # type: ignore[override]
        cls, raw_value: _Files, address: Address
    ) -> _FrozenFiles:
        if raw_value is None:
            return None
        if not isinstance(raw_value, Mapping) or not all(
            isinstance(path, str) and _is_file_value(value) for path, value in raw_value.items()
        ):
            raise InvalidFieldTypeException(
                address,
                cls.alias,
                raw_value,
                expected_type="a dictionary of paths to addresses or `image_file` objects",
            )
        return FrozenDict(raw_value)

    def items(self) -> tuple[tuple[str, ImageFile], ...]:
        return tuple(
            (path, ImageFile(value) if isinstance(value, str) else value)
            for path, value in (self.value or {}).items()
        )

    def inputs_of(self, file: ImageFile) -> UnparsedAddressInputs:
        return _inputs(self, (file.address,))

    def to_unparsed_address_inputs(self) -> UnparsedAddressInputs:
        return _inputs(self, tuple(dict.fromkeys(file.address for _, file in self.items())))

    def complaints(self) -> Iterator[forms.Complaint]:
        for path, file in self.items():
            yield from forms.path(path)
            yield from forms.mode(file.mode, f"{path!r}")
            yield from forms.owner(file.owner, f"{path!r}")


def _is_file_value(value: object) -> bool:
    if not isinstance(value, ImageFile):
        return isinstance(value, str)
    return isinstance(value.address, str) and all(
        part is None or isinstance(part, str) for part in (value.mode, value.owner)
    )


def _inputs(field: SpecialCasedDependencies, values: tuple[str, ...]) -> UnparsedAddressInputs:
    return UnparsedAddressInputs(
        values,
        owning_address=field.address,
        description_of_origin=f"the `{field.alias}` field from the target {field.address}",
    )


class DirectoriesField(DictStringToStringField, Checked):
    alias = "directories"
    help = help_text(
        """
        Folders to make, by their paths, with a mode in octal and an owner in numbers (root, if
        left out).

            minimal_docker_image(
                name="image",
                binary=":server",
                directories={"/data": "0750 65532:65532", "/tmp": "1777"},
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for path, spec in (self.value or {}).items():
            yield from forms.directory(path, spec)


# -- Closure -------------------------------------------------------------------------------------


class ExtraLibrariesField(_LibrariesField):
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


class AllowedMissingField(_LibrariesField):
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


class PythonStdlibField(StringField):
    DEFAULT, ALL, REACHABLE = "default", "all", "reachable"
    alias = "python_stdlib"
    default = DEFAULT
    valid_choices = (DEFAULT, ALL, REACHABLE)
    help = help_text(
        """
        How much of the standard library comes with a `pex_binary`. `default` leaves out what only
        developers run: test suites, IDLE and Tk, `ensurepip`, `lib2to3`, the texts of `pydoc`, and
        what builds extension modules. `all` takes it all. `reachable` takes only the modules that
        an import of the program or of its distributions leads to, found in their sources without
        running them; the log names imports that no source tells, for `include`.

            minimal_docker_image(
                name="image",
                binary=":app",
                sysroot="//sysroots:bookworm",
                packages=["python3"],
                python_stdlib="all",
            )
        """
    )


class PythonBytecodeField(BoolField):
    alias = "python_bytecode"
    default = True
    help = help_text(
        """
        Whether the byte code of a `pex_binary` and of its standard library is made when the image
        is built, so that a container does not compile at each start what it imports. The sysroot's
        own Python makes it (one of another architecture under qemu-user); it depends on the sources
        alone, not on time or machine. Without it the image is smaller.

            minimal_docker_image(
                name="image",
                binary=":app",
                sysroot="//sysroots:bookworm",
                packages=["python3"],
                python_bytecode=False,
            )
        """
    )


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


# -- Compression ---------------------------------------------------------------------------------


class UpxField(Field, Checked):
    #: What stands for which arguments of UPX.
    SETTINGS: ClassVar[dict[str, tuple[str, ...]]] = {
        "fast": ("-1",),
        "small": ("-9",),
        "smallest": ("--best", "--lzma"),
    }
    alias = "upx"
    default = False
    value: bool | str
    help = help_text(
        """
        Whether to pack the programs (never the libraries) with UPX, and how.

        `True` takes the setting of `[minimg-upx].args`, `--lzma`: the only one that is smaller on
        the wire too, at the price of the slowest start. `"fast"` (`-1`) packs and starts quickest,
        `"small"` (`-9`) lies between, `"smallest"` (`--best --lzma`) takes much longer to pack.
        docs/upx.md has what each costs.

        Every packed program is unpacked again and compared, and run beside the plain one, see
        `upx_check`. One that UPX refuses, or that reads its own file, stays as it is, and a line
        says so.

            minimal_docker_image(name="image", executables=["/usr/bin/hlint"], upx=True)
            minimal_docker_image(name="fast", executables=["/usr/bin/hlint"], upx="fast")
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _Upx, address: Address) -> Union[bool, str]:
        if raw_value is None:
            return cls.default
        if not isinstance(raw_value, (bool, str)):
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="a boolean, or the name of a setting"
            )
        return raw_value

    def complaints(self) -> Iterator[forms.Complaint]:
        if isinstance(self.value, str) and self.value not in self.SETTINGS:
            names = ", ".join(f'"{name}"' for name in self.SETTINGS)
            yield f"there is no setting {self.value!r}", f"Write True, False, {names}."


class UpxCheckField(Field, Checked):
    alias = "upx_check"
    default = ("--version",)
    value: tuple[str, ...] | bool
    help = help_text(
        """
        The arguments with which each packed program is run beside the plain one, several times and
        several at once, in a tree that holds only the image. One that ends with another status or
        prints another thing fails the build. `False` runs none.

        It takes bubblewrap, docker or podman, and a machine of the image's architecture; where
        these are not, the output and the info JSON say that nothing was run. The image's bytes are
        the same.

            minimal_docker_image(name="image", binary=":server", upx=True, upx_check=["-help"])
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _UpxCheck, address: Address) -> Union[bool, tuple[str, ...]]:
        if raw_value is None:
            return cls.default
        words = isinstance(raw_value, (list, tuple)) and all(
            isinstance(word, str) for word in raw_value
        )
        if raw_value is not False and not words:
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="a list of arguments, or False"
            )
        return False if raw_value is False else tuple(raw_value)  # type: ignore[arg-type]

    def complaints(self) -> Iterator[forms.Complaint]:
        for word in self.value if isinstance(self.value, tuple) else ():
            if "\0" in word:
                yield f"{word!r} holds a NUL", "Take it out."


class UpxArgsField(StringSequenceField, Checked):
    alias = "upx_args"
    help = help_text(
        """
        The arguments of UPX, in place of those of the option `[minimg-upx].args`.

            minimal_docker_image(name="image", binary=":server", upx=True, upx_args=["--best"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if not value.startswith("-"):
                yield f"{value!r} is no option of UPX", 'Write options, as in "--best".'


# -- Process -------------------------------------------------------------------------------------


class EntrypointField(StringSequenceField, Checked):
    alias = "entrypoint"
    help = help_text(
        """
        The program that the container starts, by its path in the image, and its first arguments.
        By default the program of `binary`, or the only one of `executables`.

            minimal_docker_image(
                name="image",
                executables=["/usr/bin/git"],
                entrypoint=["/usr/bin/git", "--no-pager"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is None:
            return iter(())
        return forms.arguments(self.value, "Leave it out to start the program of `binary`.")


class CmdField(StringSequenceField, Checked):
    alias = "cmd"
    help = help_text(
        """
        The arguments that `entrypoint` gets when `docker run` gives none.

            minimal_docker_image(name="image", binary=":server", cmd=["--port", "8080"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if "\0" in value:
                yield f"{value!r} holds a NUL", "Take it out."


class EnvField(DictStringToStringField, Checked):
    alias = "env"
    help = help_text(
        """
        Environment variables of the container. `PATH` is docker's default unless it is given.
        `LD_LIBRARY_PATH` counts when libraries are looked for.

            minimal_docker_image(name="image", binary=":server", env={"LANG": "C.UTF-8"})
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, value in (self.value or {}).items():
            yield from forms.variable(name, value)


class WorkdirField(StringField, Checked):
    alias = "workdir"
    help = help_text(
        """
        The folder that the container starts in.

            minimal_docker_image(name="image", binary=":server", workdir="/work")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.folder(self.value) if self.value is not None else iter(())


class UserField(StringField, Checked):
    alias = "user"
    default = "65532:65532"
    value: str
    help = help_text(
        """
        The user that the container runs as: `uid:gid` in numbers, or names that the image's
        `/etc/passwd` and `/etc/group` have. By default nobody in particular, and not root. A lone
        `uid` runs with the group 0.

            minimal_docker_image(name="image", binary=":server", user="1000:1000")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.user(self.value)


class PortsField(StringSequenceField, Checked):
    alias = "ports"
    help = help_text(
        """
        The ports that the container listens on: information for those who run it.

            minimal_docker_image(name="image", binary=":server", ports=["8080", "53/udp"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.port(value)


class VolumesField(_PathsField):
    alias = "volumes"
    help = help_text(
        """
        Folders of the image that are volumes of the container.

            minimal_docker_image(name="image", binary=":server", volumes=["/data"])
        """
    )


class StopSignalField(StringField, Checked):
    alias = "stop_signal"
    help = help_text(
        """
        The signal that asks the container to end. By default the engine's, which is SIGTERM.

            minimal_docker_image(name="image", binary=":server", stop_signal="SIGINT")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.stop_signal(self.value) if self.value is not None else iter(())


class HealthcheckField(Field, Checked):
    alias = "healthcheck"
    default = None
    value: ImageHealthcheck | None
    help = help_text(
        """
        What docker runs in the container from time to time to see whether it works: a program of
        the image with its arguments, which exits 0 then. There is no shell to give a line to.

        Docker alone reads it: for podman, containerd and Kubernetes OCI images have no such thing.

            minimal_docker_image(
                name="image",
                binary=":server",
                healthcheck=image_healthcheck(
                    "/server", "--healthy", interval="30s", timeout="5s", retries=3
                ),
            )

        Further it takes `start_period`. What is left out has docker's own value.
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _Healthcheck, address: Address) -> _Healthcheck:
        if raw_value is not None and not (
            isinstance(raw_value, ImageHealthcheck)
            and all(isinstance(word, str) for word in raw_value.command)
        ):
            raise InvalidFieldTypeException(
                address,
                cls.alias,
                raw_value,
                expected_type="an `image_healthcheck` of strings",
            )
        return raw_value

    def complaints(self) -> Iterator[forms.Complaint]:
        check = self.value
        if check is None:
            return
        yield from forms.arguments(check.command, "Name a program of the image first.")
        for name in ("interval", "timeout", "start_period"):
            value = getattr(check, name)
            if value is not None:
                yield from forms.duration(str(value), name)
        if check.retries is not None and not (
            isinstance(check.retries, int) and 0 < check.retries < 1 << 31
        ):
            yield f"retries is {check.retries!r}", "Write a number from 1 on."


class AnnotationsField(DictStringToStringField, Checked):
    alias = "annotations"
    help = help_text(
        """
        Annotations of the image's manifest, which registries show; `image_labels` are for engines.
        Those of `[minimg].annotations` are added. Nothing is filled in by itself: a commit or a
        time would make another digest of equal bytes. `{env.NAME}` is that variable's value.

            minimal_docker_image(
                name="image",
                binary=":server",
                annotations={"org.opencontainers.image.licenses": "MIT"},
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, value in (self.value or {}).items():
            yield from forms.annotation(name, value)


class ImageLabelsField(DictStringToStringField, Checked):
    alias = "image_labels"
    help = help_text(
        """
        Labels of the image. `{env.NAME}` in a value is the variable NAME of the environment.

            minimal_docker_image(
                name="image", binary=":server", image_labels={"org.example.team": "build"}
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name in self.value or {}:
            yield from forms.label(name)


# -- Naming --------------------------------------------------------------------------------------


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


class ImageDependenciesField(Dependencies):
    help = help_text(
        """
        Further targets that a change of the image may come from. None of them is put into the
        image: `binary`, `extra_binaries` and `files` do that, and are dependencies by themselves.

            minimal_docker_image(name="image", binary=":server", dependencies=[":notes"])
        """
    )


class MinimalDockerImageTarget(Target):
    alias = "minimal_docker_image"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        ImageDependenciesField,
        BinaryField,
        ExtraBinariesField,
        InstallToField,
        SysrootField,
        PackagesField,
        ArchitectureField,
        ArchitecturesField,
        AlternativesField,
        ExecutablesField,
        IncludeField,
        ExcludeField,
        FilesField,
        DirectoriesField,
        PresetsField,
        PackageRecordsField,
        ExtraLibrariesField,
        AllowedMissingField,
        DlopenField,
        NssField,
        LibgccField,
        AllowedLibrariesField,
        AllowedSecretsField,
        PythonStdlibField,
        PythonBytecodeField,
        FormatField,
        MaxSizeField,
        MaxWireSizeField,
        UpxField,
        UpxArgsField,
        UpxCheckField,
        EntrypointField,
        CmdField,
        EnvField,
        WorkdirField,
        UserField,
        PortsField,
        VolumesField,
        StopSignalField,
        HealthcheckField,
        ImageLabelsField,
        AnnotationsField,
        RegistriesField,
        RepositoryField,
        ImageTagsField,
        SkipPushField,
        AttachSbomField,
        ExtraRunArgsField,
        OutputPathField,
        EnvironmentField,
    )
    help = help_text(
        """
        A container image of a program and what it needs to start, and nothing else: its loader,
        its libraries, its interpreter. No Dockerfile, no base image, no daemon.

            minimal_docker_image(
                name="image",
                binary=":server",                # a target that builds a program
                executables=["/usr/bin/git"],    # and programs of this machine
                files={"/etc/app.toml": ":config"},
                upx=True,
                env={"LANG": "C.UTF-8"},
            )

        `package` writes a tar that docker, podman, skopeo and containerd load, and a JSON beside
        it with the digests, names and sizes. `publish` pushes it, by its digest, to registries.
        `run` loads the image into docker or podman and starts it, with the arguments after `--`.
        """
    )

    def validate(self) -> None:
        super().validate()
        problems = list(field_problems(self))
        problems += target_problems(self)
        if problems:
            raise InvalidFieldException(str(Problems(problems)))


#: Fields of which at least one must say what the image is for.
PROGRAM_FIELDS: tuple[type[Field], ...] = (BinaryField, ExtraBinariesField, ExecutablesField)


def field_problems(target: Target) -> Iterator[MinimgError]:
    """What is wrong with the value of each field by itself."""
    for field in target.field_values.values():
        if isinstance(field, Checked):
            assert isinstance(field, Field)
            for problem, remedy in field.complaints():
                yield MinimgError(
                    "MINIMG-E018", str(target.address), f"`{field.alias}`: {problem}", remedy
                )


def target_problems(target: Target) -> Iterable[MinimgError]:
    """What is wrong between fields."""
    address = str(target.address)
    if not any(target[field].value for field in PROGRAM_FIELDS):
        yield MinimgError(
            "MINIMG-E016",
            address,
            "the image has no program",
            'Set `binary` to a target that builds one, or `executables`, as in ["/usr/bin/git"].',
        )
    for field in (PackagesField, ArchitectureField, ArchitecturesField, AlternativesField):
        if target[field].value and not target[SysrootField].value:
            yield MinimgError(
                "MINIMG-E018",
                address,
                f"`{field.alias}` is set without `sysroot`",
                "Name a `debian_sysroot` in `sysroot`.",
            )
    if target[ArchitectureField].value and target[ArchitecturesField].value:
        yield MinimgError(
            "MINIMG-E018",
            address,
            "`architecture` and `architectures` are both set",
            "Take one away.",
        )
    if target[UpxArgsField].value is not None and not target[UpxField].value:
        yield MinimgError(
            "MINIMG-E018",
            address,
            "`upx_args` is set without `upx=True`",
            "Set `upx=True`, or take `upx_args` away.",
        )
    if target[UpxArgsField].value is not None and isinstance(target[UpxField].value, str):
        yield MinimgError(
            "MINIMG-E018",
            address,
            f"`upx_args` is set beside `upx={target[UpxField].value!r}`, which stands for others",
            "Set `upx=True`, or take `upx_args` away.",
        )
