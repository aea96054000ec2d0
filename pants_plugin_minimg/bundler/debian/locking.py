"""From a request to a lock: mirrors, verified suites, resolved packages."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pants_plugin_minimg.bundler.debian import mirrors, resolver
from pants_plugin_minimg.bundler.debian.download import Patience
from pants_plugin_minimg.bundler.debian.index import Suite, Trust
from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package
from pants_plugin_minimg.bundler.debian.resolver import Resolved, Root
from pants_plugin_minimg.bundler.debian.serving import Server
from pants_plugin_minimg.bundler.debian.sources import Source
from pants_plugin_minimg.bundler.debian.universe import Record, Universe
from pants_plugin_minimg.bundler.errors import MinimgError, Problems

_AT_ONCE = 4
_FORM = "%Y%m%dT%H%M%SZ"
#: An archive of all versions shows a state some time after the Date of its Release files, and the
#: packages of a state stay in the pool for longer than this.
_MARGIN = datetime.timedelta(hours=6)


@dataclass(frozen=True)
class Request:
    """`mirrors`: base URLs of the option; none: `sources`, the machine's. `subject`: the address.

    `timestamp` (20251108T101500Z) is the state that a mirror with `{timestamp}` is asked for.
    """

    subject: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    packages: tuple[str, ...]
    mirrors: tuple[str, ...]
    sources: tuple[Source, ...]
    trust: Trust
    timestamp: str | None = None
    patience: Patience = field(default_factory=Patience)


def lock(request: Request) -> Lock:
    """Raises MinimgError and Problems: E018 the request, E024 to E026 the archive."""
    roots = _roots(request)
    suites = _suites(request)
    origin = _origin(suites, request.subject)
    packages: list[Package] = []
    errors: list[MinimgError] = []
    for architecture in sorted(request.architectures):
        try:
            chosen = resolver.resolve(Universe(suites, architecture), roots, request.subject)
        except Problems as problems:
            errors += problems.errors
        except MinimgError as error:
            errors.append(error)
        else:
            packages += [_package(item, architecture) for item in chosen]
    if errors:
        raise Problems(errors)
    return Lock(
        origin=origin,
        timestamp=request.timestamp or _timestamp(suites),
        suites=request.suites,
        components=tuple(sorted(request.components)),
        architectures=tuple(sorted(request.architectures)),
        packages=tuple(sorted(request.packages)),
        package=tuple(sorted(packages, key=lambda package: (package.name, package.sysroot))),
    )


def _roots(request: Request) -> list[Root]:
    for name in ("suites", "components", "architectures", "packages"):
        values = getattr(request, name)
        if not values or len(set(values)) != len(values):
            problem = f"`{name}` names one twice" if values else f"`{name}` is empty"
            raise MinimgError("MINIMG-E018", request.subject, problem, "Name each once.")
    return [resolver.root(text, request.subject) for text in request.packages]


def _suites(request: Request) -> list[Suite]:
    """Each suite from its first mirror that serves it, in the order of the request."""
    timestamp = request.timestamp or request.trust.now.strftime(_FORM)

    def one(suite: str) -> Suite | MinimgError:
        try:
            choices = mirrors.candidates(
                request.mirrors,
                request.sources,
                suite,
                request.components,
                timestamp,
                request.subject,
            )
            server = Server(
                suite,
                choices,
                request.components,
                request.trust,
                request.patience,
                request.subject,
            )
            return server.fetch(request.architectures)
        except MinimgError as error:
            return error

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        answers = list(pool.map(one, request.suites))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who interrupts it waits for no mirror
    errors = [answer for answer in answers if isinstance(answer, MinimgError)]
    if errors:
        raise Problems(errors)
    return [answer for answer in answers if isinstance(answer, Suite)]


def _origin(suites: Sequence[Suite], subject: str) -> str:
    """What all suites have in common: `Debian` for `Debian` and `Debian Backports`."""
    shortest = min(
        (suite.release.origin for suite in suites), key=lambda origin: (len(origin), origin)
    )
    for suite in suites:
        origin = suite.release.origin
        if origin != shortest and not origin.startswith(f"{shortest} "):
            raise MinimgError(
                "MINIMG-E025",
                subject,
                f"the suite {suite.name} is of {origin!r}, others of {shortest!r}",
                "Make a sysroot for each origin.",
            )
    return shortest


def _timestamp(suites: Sequence[Suite]) -> str:
    """The same for the same state of the archive, whenever it is locked."""
    return (max(suite.release.date for suite in suites) + _MARGIN).strftime(_FORM)


def _package(item: Resolved, sysroot: str) -> Package:
    record = item.record
    fields = record.fields
    return Package(
        name=record.name,
        sysroot=sysroot,
        version=record.version,
        architecture=record.architecture,
        suite=record.suite,
        path=fields["filename"].strip(),
        sha256=fields["sha256"].strip(),
        size=int(fields["size"].strip()),
        installed=int(fields.get("installed-size", "0").strip()),
        source=_source(record),
        depends=item.depends,
        because=item.because,
    )


def _source(record: Record) -> str:
    """`Source: NAME (VERSION)`: each is left out where it is the package's own (Policy 5.6.1)."""
    name, _, version = record.fields.get("source", record.name).strip().partition(" ")
    return f"{name} {version.strip().strip('()') or record.version}"


def request_from_json(
    raw: dict[str, Any], sources: Sequence[Source], trust: Trust, timestamp: str | None
) -> Request:
    """Raises LookupError and TypeError."""

    def texts(name: str) -> tuple[str, ...]:
        value = raw[name]
        if not isinstance(value, list):
            raise TypeError(f"{name} is no list")
        return tuple(map(str, value))

    return Request(
        subject=str(raw["address"]),
        suites=texts("suites"),
        components=texts("components"),
        architectures=texts("architectures"),
        packages=texts("packages"),
        mirrors=texts("mirrors"),
        sources=tuple(sources),
        trust=trust,
        timestamp=timestamp,
    )
