"""Which files and folders of the build are in an image, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional, Union

from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.target import (
    DictStringToStringField,
    InvalidFieldTypeException,
    SpecialCasedDependencies,
)
from pants.util.frozendict import FrozenDict
from pants.util.strutil import help_text

from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked, inputs


@dataclass(frozen=True)
class ImageFile:
    """A value of `files` that says more than an address: `image_file(":config", mode="0640")`.

    `mode` is octal; without it the file is 0755 or 0644, by its executable bit. `owner` is
    `uid[:gid]` in numbers; without it root owns the file.
    """

    address: str
    mode: str | None = None
    owner: str | None = None


#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Files = Optional[dict[str, Union[str, ImageFile]]]
_FrozenFiles = Optional[FrozenDict[str, Union[str, ImageFile]]]


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
        return inputs(self, (file.address,))

    def to_unparsed_address_inputs(self) -> UnparsedAddressInputs:
        return inputs(self, tuple(dict.fromkeys(file.address for _, file in self.items())))

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
