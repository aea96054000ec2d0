"""A download that may fail, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from pants.engine.fs import DownloadFile


@dataclass(frozen=True)
class Attempt:
    file: DownloadFile


@dataclass(frozen=True)
class Attempted:
    """`failure` is None where the file is in the store, else why it is not, on one line."""

    failure: str | None
