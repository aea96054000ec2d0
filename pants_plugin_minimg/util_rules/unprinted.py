"""Text that no log shows."""

from __future__ import annotations


class Unprinted(str):
    """Pants prints the processes that it starts with their environment, but not of this type."""

    def __repr__(self) -> str:
        return "<not shown>"
