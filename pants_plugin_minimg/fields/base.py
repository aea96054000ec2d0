"""What fields share: that they check themselves, and the forms that several have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.target import (
    InvalidFieldTypeException,
    RequiredFieldMissingException,
    SpecialCasedDependencies,
    StringSequenceField,
)

from pants_plugin_minimg.fields import forms

#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Address = Optional[str]


class Checked:
    """Mixed into a field: `complaints` are the `(problem, remedy)` pairs of a value of its type."""

    def complaints(self) -> Iterator[forms.Complaint]:
        raise NotImplementedError()


def inputs(field: SpecialCasedDependencies, values: tuple[str, ...]) -> UnparsedAddressInputs:
    return UnparsedAddressInputs(
        values,
        owning_address=field.address,
        description_of_origin=f"the `{field.alias}` field from the target {field.address}",
    )


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
        return inputs(self, () if self.value is None else (self.value,))


class PathsField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.path(value)


class GlobsField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.glob(value)


class LibrariesField(StringSequenceField, Checked):
    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.library(value)
