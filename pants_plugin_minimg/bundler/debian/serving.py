"""Which mirror serves a suite: the first that has it and whose signature and hashes hold.

Each architecture has its own first mirror: Ubuntu's archive names architectures in its Release that
only another server has.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from pants_plugin_minimg.bundler.debian import index, mirrors
from pants_plugin_minimg.bundler.debian.download import Patience, Unavailable
from pants_plugin_minimg.bundler.debian.index import Suite, Trust
from pants_plugin_minimg.bundler.debian.mirrors import Mirror
from pants_plugin_minimg.bundler.debian.release import Release
from pants_plugin_minimg.bundler.errors import MinimgError

_UNSIGNED, _NOWHERE = "MINIMG-E025", "MINIMG-E024"


@dataclass
class Server:
    """Looks for one suite on its candidate mirrors, in their order."""

    suite: str
    choices: Sequence[Mirror]
    components: Sequence[str]
    trust: Trust
    patience: Patience
    subject: str
    _releases: dict[str, Release | Exception] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def fetch(self, architectures: Sequence[str]) -> Suite:
        """Raises MinimgError with why each mirror failed.

        MINIMG-E025 when a signature did not hold, MINIMG-E024 otherwise, and when sources of this
        machine have the suite of several origins.
        """
        self._check_one_origin()
        with ThreadPoolExecutor(len(architectures)) as pool:
            parts = list(pool.map(self._first, architectures))
        newest = max((release for release, _ in parts), key=lambda release: release.date)
        indexes = {name: part for name, (_, part) in zip(architectures, parts)}
        return Suite(self.suite, newest, indexes)

    def _first(self, architecture: str) -> tuple[Release, tuple[bytes, ...]]:
        reasons: list[str] = []
        code = _NOWHERE
        for mirror in self.choices:
            try:
                release = self._release(mirror)
                return release, index.fetch_indexes(
                    mirror, self.suite, release, self.components, architecture, self.patience
                )
            except Unavailable as error:
                reasons.append(f"{mirror.url}: {error}")
            except MinimgError as error:
                if error.code != _UNSIGNED or len(self.choices) == 1:
                    raise
                code = error.code
                reasons.append(f"{mirror.url}: {error.problem}")
        raise MinimgError(
            code,
            self.subject,
            f"no mirror serves the suite {self.suite} for {architecture} ({'; '.join(reasons)})",
            "Check `suites`, or set `[minimg-debian].mirrors`.",
        )

    def _release(self, mirror: Mirror) -> Release:
        """Fetched once for all architectures. Raises Unavailable and MinimgError."""
        with self._lock:
            if mirror.url not in self._releases:
                try:
                    found: Release | Exception = index.fetch_release(
                        mirror, self.suite, self.trust, self.patience
                    )
                except (Unavailable, MinimgError) as error:
                    found = error
                self._releases[mirror.url] = found
            answer = self._releases[mirror.url]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _check_one_origin(self) -> None:
        """Other vendors may use the same name of a suite: then nobody knows which is meant."""
        exact = [mirror for mirror in self.choices if mirrors.exact(mirror, self.suite)]
        origins: dict[str, str] = {}
        for mirror in exact if len(exact) > 1 else ():
            try:
                origins.setdefault(self._release(mirror).origin, mirror.url)
            except (Unavailable, MinimgError):
                continue
        if len(origins) > 1:
            listed = ", ".join(f"{origin} at {url}" for origin, url in sorted(origins.items()))
            raise MinimgError(
                _NOWHERE,
                self.subject,
                f"the apt sources of this machine have {self.suite} of several origins ({listed})",
                "Set `[minimg-debian].mirrors` to the base URLs of the one that is meant.",
            )
