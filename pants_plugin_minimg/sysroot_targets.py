"""The targets `debian_sysroot` and `rootfs_sysroot`: where an image takes programs from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pants.engine.fs import GlobMatchErrorBehavior
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    InvalidFieldException,
    SingleSourceField,
    StringField,
    StringSequenceField,
    Target,
)
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import AddressField, Checked
from pants_plugin_minimg.target_types import field_problems

#: Debian Policy, section 5.6.1 for names, 5.6.12 for versions.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+~:-]+|/[A-Za-z0-9._+/-]+)?\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]*\Z")


class _WordsField(StringSequenceField, Checked):
    value: tuple[str, ...]

    def complaints(self) -> Iterator[forms.Complaint]:
        if not self.value:
            yield "is empty", "Name at least one."
        for value in self.value or ():
            if not _WORD.match(value):
                yield f"{value!r} is no name that an archive has", "Correct it."


class SuitesField(_WordsField):
    alias = "suites"
    required = True
    help = help_text(
        """
        The suites of the archive that packages come from, as apt's sources name them. The newest
        version wins; one of backports only where no other suite has the package, or where an
        entry of `packages` asks for it.

            debian_sysroot(
                name="bookworm",
                suites=["bookworm", "bookworm-security", "bookworm-backports"],
                packages=["git", "upx-ucl"],
                lockfile="bookworm.lock",
            )
        """
    )


class ComponentsField(_WordsField):
    alias = "components"
    default = ("main",)
    help = help_text(
        """
        The components of the suites, such as `main` and `contrib` (Ubuntu: `main`, `universe`).

            debian_sysroot(
                name="noble",
                suites=["noble", "noble-updates"],
                components=["main", "universe"],
                packages=["hlint"],
                lockfile="noble.lock",
            )
        """
    )


class ArchitecturesField(_WordsField):
    alias = "architectures"
    default = ("amd64",)
    help = help_text(
        """
        The architectures, by Debian's names, that packages are locked for. An image takes the
        first unless its own `architecture` says otherwise.

            debian_sysroot(
                name="bookworm",
                suites=["bookworm"],
                architectures=["amd64", "arm64"],
                packages=["git"],
                lockfile="bookworm.lock",
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        yield from super().complaints()
        for value in self.value or ():
            yield from forms.architecture(value)


class PackagesField(StringSequenceField, Checked):
    alias = "packages"
    required = True
    value: tuple[str, ...]
    help = help_text(
        """
        The packages that programs and files are taken from. What they depend on comes along; what
        they recommend does not, nor does what every Debian system has: of that only `base-files`,
        which says which system it is.

        `name=version` asks for a version, `name/suite` for the version of a suite.

            debian_sysroot(
                name="bookworm",
                suites=["bookworm", "bookworm-backports"],
                packages=["hlint", "git/bookworm-backports", "ca-certificates"],
                lockfile="bookworm.lock",
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if not self.value:
            yield "is empty", 'Name what the images need, as in ["git"].'
        for value in self.value or ():
            if not _PACKAGE.match(value):
                yield (
                    f"{value!r} is no package",
                    'Write its name, as in "git", "git=1:2.39.5-0+deb12u2" or "git/bookworm".',
                )


class LockfileField(SingleSourceField):
    alias = "lockfile"
    # It is not there before it has been generated.
    default_glob_match_error_behavior = GlobMatchErrorBehavior.ignore
    expected_num_files = range(0, 2)  # type: ignore[assignment]
    help = help_text(
        """
        The file that says which version of each package is taken, with its SHA-256, to be
        committed. `generate-lockfiles --resolve=<name>` writes it.

            debian_sysroot(
                name="bookworm", suites=["bookworm"], packages=["git"], lockfile="bookworm.lock"
            )
        """
    )


class ResolveField(StringField):
    alias = "resolve"
    help = help_text(
        """
        The name that `generate-lockfiles --resolve=…` knows the lock by. By default the name of
        the target; names are shared with the resolves of other backends, and each is used once.

            debian_sysroot(
                name="debian",
                resolve="tools-debian",
                suites=["bookworm"],
                packages=["git"],
                lockfile="debian.lock",
            )
        """
    )


#: Says in `os-release` which system it is, which scanners ask first.
ALWAYS = ("base-files",)


def asked_for(target: Target) -> dict[str, Any]:
    """What a lock is written for, and has to fit when an image is built."""
    named = target[PackagesField].value
    names = {re.split("[=/]", entry, maxsplit=1)[0] for entry in named}
    return {
        "suites": target[SuitesField].value,
        "components": target[ComponentsField].value,
        "architectures": target[ArchitecturesField].value,
        "packages": [*named, *(name for name in ALWAYS if name not in names)],
    }


def resolve_name(target: Target) -> str:
    return target[ResolveField].value or target.address.target_name


class SysrootDependenciesField(Dependencies):
    help = help_text(
        """
        Further targets that a change of the sysroot may come from; nothing of them gets into it.

            debian_sysroot(
                name="bookworm",
                suites=["bookworm"],
                packages=["git"],
                lockfile="bookworm.lock",
                dependencies=[":notes"],
            )
        """
    )


class _CheckedTarget(Target):
    def validate(self) -> None:
        super().validate()
        problems = list(field_problems(self))
        if problems:
            raise InvalidFieldException(str(Problems(problems)))


class DebianSysrootTarget(_CheckedTarget):
    alias = "debian_sysroot"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        SysrootDependenciesField,
        SuitesField,
        ComponentsField,
        ArchitecturesField,
        PackagesField,
        LockfileField,
        ResolveField,
    )
    help = help_text(
        """
        Packages of Debian or Ubuntu, pinned by a lock file, that images take programs and
        libraries from. The same image is built from them on every machine, for every
        architecture that is locked.

            debian_sysroot(
                name="bookworm",
                suites=["bookworm"],
                architectures=["amd64", "arm64"],
                packages=["git", "ca-certificates"],
                lockfile="bookworm.lock",
            )

            minimal_docker_image(
                name="git_image",
                sysroot=":bookworm",
                executables=["/usr/bin/git"],
                presets=["ca-certificates"],
            )

        Write the lock, and write it again for newer versions, by `generate-lockfiles
        --resolve=bookworm`. Packages are unpacked and read; their maintainer scripts never run,
        so what those would generate is not there: `presets` make certificates and users.

        Where packages are fetched from is an option, `[minimg-debian].mirrors`, with this
        machine's own apt sources as its default.
        """
    )


class RootfsField(AddressField):
    alias = "source"
    required = True
    help = help_text(
        """
        The address of the target whose one file is the root file system: a tar (plain, gzip, xz or
        zstd), or an image as `docker save` or an OCI tool writes it to a file.

            file(name="alpine_tar", source="alpine-minirootfs.tar.gz")
            rootfs_sysroot(name="alpine", source=":alpine_tar")
        """
    )


class RootfsSysrootTarget(_CheckedTarget):
    alias = "rootfs_sysroot"
    core_fields = (*COMMON_TARGET_FIELDS, SysrootDependenciesField, RootfsField)
    help = help_text(
        """
        A root file system that images take programs and libraries from: a tar, or an image in a
        file, from this repository, from a URL or made by another target.

            file(
                name="alpine_tar",
                source=http_source(
                    url="…/alpine-minirootfs-3.20.3-x86_64.tar.gz", len=3620165, sha256="…"
                ),
            )
            rootfs_sysroot(name="alpine", source=":alpine_tar")

            minimal_docker_image(
                name="image", sysroot=":alpine", executables=["/bin/busybox"]
            )

        The layers of an image are put on each other, and what they delete is gone. Links, modes
        and owners are those of the tar.
        """
    )
