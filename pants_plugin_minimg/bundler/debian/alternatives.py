"""The links that update-alternatives(1) would make, for the choices that a build names.

None is made that was not chosen: which program is best is no matter of what happens to be there.
"""

from __future__ import annotations

from collections.abc import Mapping

from pants_plugin_minimg.bundler.debian.maintscripts import Alternative
from pants_plugin_minimg.bundler.debian.merge import Merge
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.tars.sysroot import Node
from pants_plugin_minimg.bundler.text import text

_FOLDER = b"/etc/alternatives/"


class Candidate(NamedTuple):
    """An alternative and the package that declares it."""

    alternative: Alternative
    package: str


class Alternatives:
    """What the packages declare, by the canonical paths of the links."""

    def __init__(self, merge: Merge) -> None:
        self._merge = merge
        self._candidates: dict[bytes, list[Candidate]] = {}
        self._masters: dict[bytes, bytes] = {}  # a slave's link -> its master's
        for package in merge.packages:
            for alternative in package.alternatives:
                link = merge.canonical(alternative.link)
                self._candidates.setdefault(link, []).append(
                    Candidate(alternative, package.about.name)
                )
                for slave, _, _ in alternative.slaves:
                    self._masters.setdefault(merge.canonical(slave), link)

    def choose(self, chosen: Mapping[str, str]) -> None:
        """Adds the links of each choice: link -> path. Problems go to the merge's (MINIMG-E002)."""
        for link, path in sorted(chosen.items()):
            try:
                place = self._merge.canonical(_path(link))
                goal = self._merge.canonical(_path(path))
                found = self._find(place, goal)
                self._make(found)
            except MinimgError as error:
                self._merge.problems.append(error)

    def hint(self, place: bytes) -> str | None:
        """What to set so that a link exists; None for what is no alternative."""
        master = self._masters.get(place, place)
        candidates = self._candidates.get(master)
        if candidates is None:
            return None
        what = "is an alternative"
        if place not in self._candidates:
            what = f"comes with the alternative `{text(master)}`"
        return (
            f'`{text(place)}` {what}: set alternatives={{"{text(master)}": …}} to one of '
            f"{_listed(candidates)}"
        )

    def _find(self, place: bytes, goal: bytes) -> Alternative:
        candidates = self._candidates.get(place)
        if candidates is None:
            known = ", ".join(sorted(map(text, self._candidates))) or "none"
            raise MinimgError(
                "MINIMG-E002",
                text(place),
                "no package of the sysroot declares it as an alternative",
                f"Declared are: {known}.",
            )
        for candidate in candidates:
            if self._merge.canonical(candidate.alternative.path) == goal:
                if goal in self._merge.nodes:
                    return candidate.alternative
                raise MinimgError(
                    "MINIMG-E002",
                    text(goal),
                    f"{candidate.package} declares it as an alternative and nobody ships it",
                )
        raise MinimgError(
            "MINIMG-E002",
            text(place),
            f"no package of the sysroot declares {text(goal)} as an alternative for it",
            f"Declared are: {_listed(candidates)}.",
        )

    def _make(self, alternative: Alternative) -> None:
        self._link(alternative.link, alternative.name, alternative.path)
        for link, name, path in alternative.slaves:
            if self._merge.canonical(path) in self._merge.nodes:
                self._link(link, name, path)

    def _link(self, link: bytes, name: bytes, path: bytes) -> None:
        middle = _FOLDER + name
        for place, target in ((self._merge.canonical(link), middle), (middle, path)):
            known = self._merge.nodes.get(place)
            if known is None:
                self._merge.add(place, Node("link", target=target))
            elif known.kind != "link" or known.target != target:
                raise MinimgError(
                    "MINIMG-E011",
                    text(place),
                    f"it would be a link to {text(target)}, and a {known.kind} is there already",
                )


def _path(value: str) -> bytes:
    path = value.encode("utf-8", "surrogateescape")
    if path[:1] != b"/" or {b"", b".", b".."} & set(path[1:].split(b"/")):
        raise MinimgError(
            "MINIMG-E018", value, "`alternatives` takes absolute paths, a link and a program"
        )
    return path


def _listed(candidates: list[Candidate]) -> str:
    ranked = sorted(
        candidates, key=lambda item: (-item.alternative.priority, item.alternative.path)
    )
    return ", ".join(f"{text(item.alternative.path)} (of {item.package})" for item in ranked)
