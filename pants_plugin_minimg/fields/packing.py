"""Whether and how UPX packs programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Optional, Union

from pants.engine.addresses import Address
from pants.engine.target import Field, InvalidFieldTypeException, StringSequenceField
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler.packing import upxargs
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked

#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Upx = Optional[Union[bool, str]]
_UpxCheck = Optional[Union[bool, Iterable[str]]]


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

        `True` takes the setting of `[minimg-upx].args`, `--lzma`: the only one of a few seconds
        that is smaller on the wire too, at the price of the slowest start. `"fast"` (`-1`) packs at
        once, `"small"` (`-9`) smaller; with both programs start quicker, and are hardly smaller on
        the wire, or larger. `"smallest"` (`--best --lzma`) takes half as long again as `True`, and
        gains little over it, for large programs alone. What it is worth for each program the build
        prints: bytes on disk and on the wire, time to start, memory, with and without.

        Every packed program is unpacked again and compared, and run beside the plain one, see
        `upx_check`. One that UPX refuses, or that reads its own file, stays as it is, and a line
        says so. Packed programs do not start where memory must not be both written and run
        (systemd's `MemoryDenyWriteExecute=`, SELinux without `execmem`).

        UPX from 4.2 up to, not including, 5 must be on this machine, or in the `debian_sysroot`
        that `[minimg-upx].sysroot` names. docs/upx.md has the figures.

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
        prints another thing fails the build. `False` runs none, `[]` each without arguments. Choose
        some with which all of the image's programs do something, print it, and end by themselves
        within half a minute; they have nothing to read, no network, and can write nothing.

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
        The arguments of UPX, in place of those of the option `[minimg-upx].args`: any that choose
        how it compresses, such as `-1` to `-9`, `--best`, `--brute`, `--ultra-brute`, `--lzma`,
        `--nrv2b`, `--all-filters` or `--preserve-build-id`. `[]` is UPX's own choice.

            minimal_docker_image(name="image", binary=":server", upx=True, upx_args=["--best"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if not upxargs.allowed(value):
                yield f"{value!r} {upxargs.PROBLEM}", upxargs.REMEDY
