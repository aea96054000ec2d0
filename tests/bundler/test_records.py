"""Records are what `typing.NamedTuple` would make of them."""

from __future__ import annotations

import pickle
import typing

from pants_plugin_minimg.bundler.records import NamedTuple


class Ours(NamedTuple):
    """A docstring."""

    first: int
    second: bytes | None
    third: tuple[int, ...] = ()

    @property
    def double(self) -> int:
        return self.first * 2

    def more(self) -> int:
        return self.double + 1


def test_fields_defaults_and_methods() -> None:
    item = Ours(1, second=b"2")
    assert item == (1, b"2", ()) and hash(item) == hash((1, b"2", ()))
    first, second, third = item
    assert (item.first, item.second, item.third) == (first, second, third)
    assert (item.double, item.more()) == (2, 3)
    assert item._replace(third=(4,)) == Ours(1, b"2", (4,))
    assert repr(item) == "Ours(first=1, second=b'2', third=())"


def test_a_class_like_another() -> None:
    assert issubclass(Ours, tuple)
    assert (Ours.__name__, Ours.__module__, Ours.__doc__) == ("Ours", __name__, "A docstring.")
    assert not hasattr(Ours(1, None), "__dict__")
    assert pickle.loads(pickle.dumps(Ours(1, None))) == Ours(1, None)


class Theirs(typing.NamedTuple):
    first: int
    second: typing.Optional[bytes]
    third: tuple[int, ...] = ()


def test_what_is_told_of_the_fields() -> None:
    assert Ours._fields == Theirs._fields
    assert Ours._field_defaults == Theirs._field_defaults
    assert list(Ours.__annotations__) == list(Theirs.__annotations__)
