"""A look at this machine, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """`consulted`: the paths of a plan, in the JSON of `bundler/sysroots/recorder.py`. None: the
    folders that programs and libraries come from."""

    consulted: str | None = None


@dataclass(frozen=True)
class Looked:
    """Their state as text, which is equal as long as nothing changed."""

    state: str
