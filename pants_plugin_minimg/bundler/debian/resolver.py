"""From the packages that are asked for to all that they need, for one architecture.

Depends and Pre-Depends, as apt without recommended packages. Packages that are Essential are not
added: a sysroot is no system, and holds only what is asked for and what that names. Conflicts and
Breaks between what is chosen hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.debian import relations
from pants_plugin_minimg.bundler.debian.lockfile import is_package_name
from pants_plugin_minimg.bundler.debian.relations import Relation
from pants_plugin_minimg.bundler.debian.search import (
    Chosen,
    Need,
    Search,
    first_choices,
    needs_of,
)
from pants_plugin_minimg.bundler.debian.universe import Record, Universe
from pants_plugin_minimg.bundler.errors import MinimgError, Problems

_CODE = "MINIMG-E026"


@dataclass(frozen=True)
class Root:
    """`git`, `git=1:2.39.5-0+deb12u2` or `git/bookworm-backports`."""

    name: str
    version: str | None = None
    suite: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}={self.version}"
        return self.name if self.suite is None else f"{self.name}/{self.suite}"


@dataclass(frozen=True)
class Resolved:
    """A package of the outcome: `depends` are names of others; `because` is for people."""

    record: Record
    depends: tuple[str, ...]
    because: str


def root(text: str, subject: str) -> Root:
    """Raises MinimgError MINIMG-E018."""
    name, version, suite = text, None, None
    if "=" in text:
        name, _, version = text.partition("=")
    elif "/" in text:
        name, _, suite = text.partition("/")
    if not is_package_name(name) or version == "" or suite == "":
        raise MinimgError(
            "MINIMG-E018",
            subject,
            f"{text!r} names no package",
            "Write `git`, `git=1:2.39.5-0+deb12u2` or `git/bookworm-backports`.",
        )
    return Root(name, version, suite)


def resolve(universe: Universe, roots: Iterable[Root], subject: str) -> tuple[Resolved, ...]:
    """The packages, sorted by name. Raises Problems (MINIMG-E026) with all that is missing."""
    where = f"{subject} ({universe.architecture})"
    wanted = sorted(set(roots), key=str)
    needs = _asked_for(universe, wanted, where)
    search = Search(universe, needs)
    if not search.run():
        raise Problems(list(_why(universe, needs, where)))
    return _outcome(search.chosen, needs)


def _asked_for(universe: Universe, roots: Sequence[Root], where: str) -> list[Need]:
    needs: list[Need] = []
    errors: list[MinimgError] = []
    for item in roots:
        try:
            needs.append(Need(None, (Relation(item.name),), _asked(universe, item, where)))
        except MinimgError as error:
            errors.append(error)
    if errors:
        # What the others lack is worth to be known too.
        raise Problems([*errors, *_why(universe, needs, where)])
    return needs


def _asked(universe: Universe, item: Root, where: str) -> Record:
    """The version that is meant, or the preferred one."""
    records = universe.records(item.name)
    for record in records:
        if item.version in (None, record.version) and item.suite in (None, record.suite):
            return record
    if records:
        known = ", ".join(f"{record.version} ({record.suite})" for record in records)
        raise MinimgError(
            _CODE, where, f"{item} is in no suite", f"There are the versions {known}."
        )
    providers = universe.providers(item.name)
    if providers:
        raise MinimgError(
            _CODE,
            where,
            f"{item} is not a package but a name that packages provide",
            f"Ask for one of {', '.join(providers)}.",
        )
    raise MinimgError(
        _CODE,
        where,
        f"there is no package {item.name}",
        "Check its name, `suites` and `components`.",
    )


def _outcome(chosen: Chosen, needs: Sequence[Need]) -> tuple[Resolved, ...]:
    depends = {name: _depends(chosen, record) for name, record in chosen.records.items()}
    because = _reasons([need.clause[0].name for need in needs], depends)
    return tuple(
        Resolved(chosen.records[name], depends[name], because[name]) for name in sorted(because)
    )


def _depends(chosen: Chosen, record: Record) -> tuple[str, ...]:
    met = (chosen.meeting(need) for need in needs_of(record))
    return tuple(sorted({other.name for other in met if other is not None} - {record.name}))


def _reasons(roots: Sequence[str], depends: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Why each is there, by the shortest way from what was asked for.

    What no way leads to is left out: it was taken for an alternative that another package meets.
    """
    out = dict.fromkeys(roots, "asked for")
    queue = deque(roots)
    while queue:
        name = queue.popleft()
        for other in depends[name]:
            if other not in out:
                out[other] = f"needed by {name}"
                queue.append(other)
    return out


def _why(universe: Universe, needs: Sequence[Need], where: str) -> Iterable[MinimgError]:
    """One error for each need that first choices do not meet, with the chain of who asks."""
    for need, possible, chosen in first_choices(universe, needs):
        yield _unmet(universe, need, possible, chosen, where)


def _unmet(
    universe: Universe, need: Need, possible: Sequence[Record], chosen: Chosen, where: str
) -> MinimgError:
    what = relations.written(need.clause)
    chain = _chain(chosen, need.asker)
    asks = f"{chosen.records[need.asker]} needs {what}" if need.asker else f"{what} is asked for"
    if not possible:
        names = dict.fromkeys(relation.name for relation in need.clause)
        there = [str(record) for name in names for record in universe.records(name)]
        found = f"but the suites have {', '.join(there)}" if there else "which no suite has"
        return MinimgError(
            _CODE,
            where,
            f"{asks}, {found}{chain}",
            "Add the suite that has it, or ask for another version.",
        )
    clashes = "; ".join(_clash(chosen, record) for record in possible)
    return MinimgError(
        _CODE,
        where,
        f"{asks}, which cannot be: {clashes}{chain}",
        "Leave one of them out, or ask for other versions.",
    )


def _clash(chosen: Chosen, record: Record) -> str:
    other = chosen.against(record)
    if other is None:
        return f"{record} needs what cannot be"
    if other.name == record.name:
        return f"{record}, for {other} is there already{_chain(chosen, other.name)}"
    return f"{record} and {other} exclude each other{_chain(chosen, other.name)}"


def _chain(chosen: Chosen, name: str | None) -> str:
    """` (git -> libcurl3-gnutls)`: from what was asked for to `name`; nothing for the former."""
    names: list[str] = []
    while name is not None:
        names.insert(0, name)
        name = chosen.askers[name]
    return f" ({' -> '.join(names)})" if len(names) > 1 else ""
