"""Which base URLs may serve a suite: pure, without a look at the network.

A base URL is what `dists/` and `pool/` lie below. The ones of the option `[minimg-debian].mirrors`
are tried in their order, whatever the suite: one that does not have a file is passed over. So
`debian-security`, which is an archive of its own beside `debian`, is simply one more of them, and a
lock need not say which archive a package came from.

Without the option, the apt sources of the machine are taken, as far as they are of the same family
as the suite: an Ubuntu machine is no mirror for bookworm.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.debian.sources import Source
from pants_plugin_minimg.bundler.errors import MinimgError

#: Names that mean another release every few years, so that nobody knows their family.
_ALIASES = frozenset(
    {"stable", "oldstable", "oldoldstable", "testing", "unstable", "experimental", "devel"}
)
_TIMESTAMP = "{timestamp}"
_FORM = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")


@dataclass(frozen=True)
class Mirror:
    """`source`: the machine's source that it is of; None for one that the option names.

    `snapshot`: it shows the archive as it was at an earlier time.
    """

    url: str
    source: Source | None = None
    snapshot: bool = False


def family(suite: str) -> str:
    """`bookworm` for `bookworm`, `bookworm-backports` and `bookworm/updates`."""
    return re.split("[-/]", suite, maxsplit=1)[0]


def candidates(
    option: Sequence[str],
    sources: Iterable[Source],
    suite: str,
    components: Sequence[str],
    timestamp: str,
    subject: str,
) -> tuple[Mirror, ...]:
    """Mirrors for one suite, the first to be tried first.

    `timestamp` is what `{timestamp}` becomes. Of the machine's sources those that name the suite
    come first, then those of its family, then those with an alias such as `stable`. Raises
    MinimgError MINIMG-E024 when there is none, MINIMG-E018 for a mirror that is no URL.
    """
    if option:
        return tuple(_named(url, timestamp) for url in dict.fromkeys(option))
    ranked = []
    for number, source in enumerate(sources):
        rank = _rank(source, suite, components)
        if rank is not None:
            ranked.append((rank, number, source))
    unique: dict[str, Mirror] = {}
    for _, _, source in sorted(ranked, key=lambda item: item[:2]):
        unique.setdefault(source.uri, Mirror(source.uri, source))
    if not unique:
        raise MinimgError(
            "MINIMG-E024",
            subject,
            f"the apt sources of this machine name no mirror for the suite {suite}",
            "Set `[minimg-debian].mirrors` to the base URL of one (what `dists/` lies below).",
        )
    return tuple(unique.values())


def exact(mirror: Mirror, suite: str) -> bool:
    """Whether it is a source of the machine for this very suite."""
    return mirror.source is not None and suite in mirror.source.suites


def url(base: str, path: str) -> str:
    """The URL of a path of the archive, such as a package's."""
    return f"{base}/{urllib.parse.quote(path, safe='/+~%:@=,')}"


def _named(base: str, timestamp: str) -> Mirror:
    if not _is_base(base):
        raise MinimgError(
            "MINIMG-E018",
            base,
            "a mirror of `[minimg-debian].mirrors` is an http, https or file URL",
            "Write the base URL, which `dists/` lies below.",
        )
    filled = base.replace(_TIMESTAMP, timestamp).rstrip("/")
    return Mirror(filled, snapshot=_TIMESTAMP in base)


def _is_base(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return False
    whole = parts.path if parts.scheme == "file" else parts.netloc
    known = parts.scheme in ("http", "https", "file")
    return known and bool(whole) and not parts.query and not parts.fragment


def check_timestamp(timestamp: str) -> str:
    """The timestamp itself. Raises MinimgError MINIMG-E018."""
    if not _FORM.match(timestamp):
        raise MinimgError(
            "MINIMG-E018", timestamp, "a timestamp has the form 20251108T101500Z, in UTC"
        )
    return timestamp


def _rank(source: Source, suite: str, components: Sequence[str]) -> int | None:
    if not set(components) & set(source.components):
        return None
    if suite in source.suites:
        return 0
    families = {family(name) for name in source.suites}
    if family(suite) in families:
        return 1
    return 2 if families & _ALIASES or family(suite) in _ALIASES else None
