"""Tuples whose fields have names: `NamedTuple` as in `typing`, whose import takes longer than most
closures. Modules that use it put annotations off (PEP 563).

A process of a build makes dozens of classes, and each of `dataclass` takes up to 1 ms at its start.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    class _Naming(type):
        """Makes of a class the tuple whose fields it annotates."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults)
            for key, value in body.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Naming):
        pass


__all__ = ["NamedTuple"]
