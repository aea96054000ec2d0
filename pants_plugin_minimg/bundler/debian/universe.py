"""The packages of all suites for one architecture, and which version of each is preferred."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, cmp_to_key

from pants_plugin_minimg.bundler.debian import control, relations, versions
from pants_plugin_minimg.bundler.debian.index import Suite, stanzas
from pants_plugin_minimg.bundler.debian.lockfile import is_package_name, is_pool_path, is_sha256
from pants_plugin_minimg.bundler.debian.relations import Clause, Relation
from pants_plugin_minimg.bundler.errors import MinimgError

_CODE = "MINIMG-E026"
_NAME = re.compile(rb"^package:[ \t]*(\S+)", re.M | re.I)
_PROVIDES = re.compile(rb"^provides:(.*(?:\n[ \t].*)*)", re.M | re.I)
_VERSION_OR_QUALIFIER = re.compile(r"\([^)]*\)|:[a-z0-9-]+")
_RANKS = {name: rank for rank, name in enumerate(("required", "important", "standard"))}


@dataclass(frozen=True, eq=False)
class Record:
    """One package of an index. `rank` is the suite's priority for apt, `order` its place."""

    name: str
    version: str
    architecture: str
    suite: str
    rank: int
    order: int
    fields: dict[str, str]
    wanted_for: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def needs(self) -> tuple[Clause, ...]:
        """Pre-Depends, then Depends."""
        return tuple(dict.fromkeys([*self._clauses("pre-depends"), *self._clauses("depends")]))

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        out = self._flat("provides")
        if any(relation.operator not in (None, "=") for relation in out):
            raise self._malformed("provides", "only `=` may be there")
        return out

    @cached_property
    def excludes(self) -> tuple[Relation, ...]:
        """Conflicts and Breaks."""
        return (*self._flat("conflicts"), *self._flat("breaks"))

    @property
    def importance(self) -> int:
        return _RANKS.get(self.fields.get("priority", "").strip(), len(_RANKS))

    def satisfies(self, relation: Relation) -> bool:
        """As the real package, or by Provides: with a version only a versioned one (Policy 7.5)."""
        return self._qualifies(relation) and self._is(relation)

    def excluded_by(self, relation: Relation) -> bool:
        """Whether a Conflicts or Breaks of another package is about this one (Policy 7.3, 7.4)."""
        other = relation.qualifier not in (None, "any", "native", self.wanted_for)
        return not other and self._is(relation)

    def _is(self, relation: Relation) -> bool:
        if self.name == relation.name and relation.accepts(self.version):
            return True
        return any(
            given.name == relation.name
            and (relation.operator is None or (given.version and relation.accepts(given.version)))
            for given in self.provides
        )

    def _qualifies(self, relation: Relation) -> bool:
        """The rule of dpkg for one architecture, of which Architecture: all counts as part."""
        if relation.qualifier == "any":
            return self.fields.get("multi-arch", "").strip() == "allowed"
        return relation.qualifier in (None, "native", self.wanted_for)

    def _clauses(self, field: str) -> tuple[Clause, ...]:
        try:
            return relations.clauses(self.fields.get(field, ""), self.wanted_for)
        except ValueError as error:
            raise self._malformed(field, str(error)) from None

    def _flat(self, field: str) -> tuple[Relation, ...]:
        try:
            return relations.flat(self.fields.get(field, ""), self.wanted_for)
        except ValueError as error:
            raise self._malformed(field, str(error)) from None

    def _malformed(self, field: str, problem: str) -> MinimgError:
        return MinimgError(
            _CODE,
            f"{self} ({self.wanted_for}, {self.suite})",
            f"its field {field.title()} is malformed: {problem}",
            "Ask for another version of it, or tell the archive.",
        )


class Universe:
    """Looked up by name; only what is looked at is parsed."""

    def __init__(self, suites: Iterable[Suite], architecture: str) -> None:
        self.architecture = architecture
        self._stanzas: dict[str, list[tuple[bytes, Suite, int]]] = {}
        self._providers: dict[str, set[str]] = {}
        self._records: dict[str, tuple[Record, ...]] = {}
        for order, suite in enumerate(suites):
            for index in suite.indexes[architecture]:
                for stanza in stanzas(index):
                    self._add(stanza, suite, order)

    def records(self, name: str) -> tuple[Record, ...]:
        """All versions of a package, the preferred one first.

        As apt_preferences(5) has it where nothing is installed: the suite's priority decides, then
        the version; equal versions come from the suite that is named first.
        """
        found = self._records.get(name)
        if found is None:
            listed = [self._record(name, *item) for item in self._stanzas.get(name, ())]
            usable = (record for record in listed if record is not None)
            found = self._records[name] = tuple(sorted(usable, key=cmp_to_key(_preference)))
        return found

    def providers(self, name: str) -> tuple[str, ...]:
        """Packages of which some version provides `name`: the important first, then by name."""
        names = [other for other in self._providers.get(name, ()) if self.records(other)]
        return tuple(sorted(names, key=lambda other: (self.records(other)[0].importance, other)))

    def _add(self, stanza: bytes, suite: Suite, order: int) -> None:
        found = _NAME.match(stanza) or _NAME.search(stanza)
        if found is None:
            return
        name = found[1].decode("ascii", "replace")
        self._stanzas.setdefault(name, []).append((stanza, suite, order))
        if b"\nProvides:" in stanza or b"\nprovides:" in stanza:
            given = _PROVIDES.search(stanza)
            text = given[1].decode("ascii", "replace") if given else ""
            for part in _VERSION_OR_QUALIFIER.sub("", text).split(","):
                self._providers.setdefault(part.strip(), set()).add(name)

    def _record(self, name: str, stanza: bytes, suite: Suite, order: int) -> Record | None:
        """None for a package of another architecture."""
        subject = f"{name} ({self.architecture}, {suite.name})"
        try:
            fields = control.paragraph(stanza.decode("utf-8", "replace"))
            architecture = fields["architecture"].strip()
            if architecture not in (self.architecture, "all"):
                return None
            _check(name, fields)
            version = versions.check(fields["version"].strip())
        except KeyError as error:
            problem = f"it has no field {error.args[0].title()}"
        except ValueError as error:
            problem = str(error)
        else:
            priority = suite.release.priority
            return Record(
                name, version, architecture, suite.name, priority, order, fields, self.architecture
            )
        raise MinimgError(
            _CODE, subject, f"its entry in the index is malformed: {problem}", "Tell the archive."
        )


def _check(name: str, fields: dict[str, str]) -> None:
    """Raises ValueError or KeyError unless a lock can hold it."""
    if not is_package_name(name):
        raise ValueError(f"{name!r} is no name of a package")
    if not is_pool_path(fields["filename"].strip()):
        raise ValueError(f"{fields['filename']!r} is no path of a package")
    if not is_sha256(fields["sha256"].strip()):
        raise ValueError("its SHA256 is no SHA-256")
    for field in ("size", "installed-size"):
        number = fields[field].strip() if field == "size" else fields.get(field, "0").strip()
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"its field {field.title()} is no number")


def _preference(one: Record, other: Record) -> int:
    if one.rank != other.rank:
        return other.rank - one.rank
    return versions.compare(other.version, one.version) or one.order - other.order
