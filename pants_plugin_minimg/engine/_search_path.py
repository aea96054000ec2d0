"""Where Pants looks for programs of the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StandardSearchPath:
    """The folders of Pants' own binary look-up, in the environment that is asked in."""

    folders: tuple[str, ...]
