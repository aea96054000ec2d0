"""The `Release` file of a suite: what the suite is, and the hashes of its indexes.

Its form is that of the Debian wiki's DebianRepository/Format.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pants_plugin_minimg.bundler.debian import control
from pants_plugin_minimg.bundler.errors import MinimgError

_CODE = "MINIMG-E025"
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_OTHER_MIRROR = "Use another mirror."


@dataclass(frozen=True)
class File:
    """`size` is in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Release:
    """`date` and `valid_until` are in UTC. `files`: path below the suite's folder -> its hash."""

    origin: str
    label: str
    suite: str
    codename: str
    version: str
    date: datetime.datetime
    valid_until: datetime.datetime | None
    not_automatic: bool
    but_automatic_upgrades: bool
    by_hash: bool
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    all_is_apart: bool
    files: Mapping[str, File]

    @property
    def priority(self) -> int:
        """What apt gives the packages of the suite (apt_preferences(5), "Default priorities")."""
        if not self.not_automatic:
            return 500
        return 100 if self.but_automatic_upgrades else 1


def parse(content: str, subject: str) -> Release:
    """`content` is the signed text. Raises MinimgError MINIMG-E025."""
    try:
        fields = control.paragraph(content)
        until = fields.get("valid-until")
        architectures = tuple(fields.get("architectures", "").split())
        without_all = fields.get("no-support-for-architecture-all", "").split()
        return Release(
            origin=fields["origin"],
            label=fields.get("label", ""),
            suite=fields.get("suite", ""),
            codename=fields.get("codename", ""),
            version=fields.get("version", ""),
            date=_time(fields["date"]),
            valid_until=None if until is None else _time(until),
            not_automatic=_yes(fields, "notautomatic"),
            but_automatic_upgrades=_yes(fields, "butautomaticupgrades"),
            by_hash=_yes(fields, "acquire-by-hash"),
            architectures=architectures,
            components=tuple(fields.get("components", "").split()),
            all_is_apart="all" in architectures and "Packages" not in without_all,
            files=_files(fields["sha256"]),
        )
    except KeyError as error:
        raise MinimgError(
            _CODE, subject, f"it has no field {error.args[0].title()}", _OTHER_MIRROR
        ) from None
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        said = " ".join(str(error).split())
        raise MinimgError(_CODE, subject, f"it cannot be read: {said}", _OTHER_MIRROR) from None


def check(
    release: Release, suite: str, subject: str, now: datetime.datetime, allow_expired: bool
) -> None:
    """Raises MinimgError MINIMG-E025 for another suite than `suite`, and for an old state.

    `allow_expired` is for mirrors of an earlier time, whose every state is past its Valid-Until.
    """
    if suite not in (release.suite, release.codename):
        raise MinimgError(
            _CODE,
            subject,
            f"it is of suite {release.suite!r}, codename {release.codename!r}, not of {suite!r}",
            "Name the suite as the archive does, or use another mirror.",
        )
    until = release.valid_until
    if until is not None and until < now and not allow_expired:
        raise MinimgError(
            _CODE,
            subject,
            f"it was valid until {until:%Y-%m-%d %H:%M:%S} UTC: the mirror is out of date",
            "Use another mirror; for an archive of an earlier time put {timestamp} into its URL.",
        )


def _yes(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "").strip().lower() == "yes"


def _time(text: str) -> datetime.datetime:
    """As RFC 5322 writes it. Without a zone it is UTC."""
    found = parsedate_to_datetime(text)
    if found.tzinfo is None:
        return found.replace(tzinfo=datetime.timezone.utc)
    return found.astimezone(datetime.timezone.utc)


def _files(table: str) -> dict[str, File]:
    out = {}
    for line in filter(str.strip, table.split("\n")):
        digest, size, path = line.split()
        if not _HASH.match(digest) or not size.isascii() or not size.isdigit():
            raise ValueError(f"a line of its SHA256 table: {line.strip()!r}")
        out[path] = File(digest, int(size))
    return out
