"""Relations between packages as text: `Depends`, `Provides`, `Conflicts` (Debian Policy 7.1)."""

from __future__ import annotations

import re
from functools import cache

from pants_plugin_minimg.bundler.debian import versions
from pants_plugin_minimg.bundler.records import NamedTuple

_FORM = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)"
    r"(?::(?P<qualifier>[a-z0-9][a-z0-9-]*))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?"
    r"\s*(?:\[\s*(?P<architectures>[^\[\]]*?)\s*\])?\Z"
)
# Policy 7.1: the old forms mean "or equal".
_LEGACY = {"<": "<=", ">": ">="}


class Relation(NamedTuple):
    """One package that is named: `operator` and `version` are both there or both None.

    `qualifier` is what follows the colon: `any`, `native` or an architecture.
    """

    name: str
    qualifier: str | None = None
    operator: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name

    def accepts(self, version: str) -> bool:
        """Whether that version of the package is a wanted one."""
        if self.operator is None or self.version is None:
            return True
        return versions.satisfies(version, self.operator, self.version)


#: Alternatives: any one of them will do.
Clause = tuple[Relation, ...]


def written(clause: Clause) -> str:
    return " | ".join(map(str, clause))


@cache
def clauses(field: str, architecture: str) -> tuple[Clause, ...]:
    """The field's clauses for one architecture. Raises ValueError for anything malformed."""
    out = []
    for part in field.split(",") if field.strip() else ():
        alternatives = [_relation(text.strip(), architecture) for text in part.split("|")]
        kept = tuple(relation for relation in alternatives if relation is not None)
        if kept:
            out.append(kept)
    return tuple(out)


def flat(field: str, architecture: str) -> tuple[Relation, ...]:
    """A field that knows no alternatives, such as Provides. Raises ValueError."""
    out = []
    for clause in clauses(field, architecture):
        if len(clause) > 1:
            raise ValueError(f"alternatives where none may be: {written(clause)!r}")
        out.append(clause[0])
    return tuple(out)


def _relation(text: str, architecture: str) -> Relation | None:
    """None when it is for other architectures."""
    found = _FORM.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not a relation to a package")
    if not _applies(found["architectures"], architecture):
        return None
    operator, version = found["operator"], found["version"]
    if version is not None:
        versions.check(version)
    return Relation(found["name"], found["qualifier"], _LEGACY.get(operator, operator), version)


def _applies(restriction: str | None, architecture: str) -> bool:
    """`[amd64 arm64]`, or `[!i386]`: all but these."""
    if restriction is None:
        return True
    names = restriction.split()
    denied = [name[1:] for name in names if name.startswith("!")]
    if not names or (denied and len(denied) != len(names)):
        raise ValueError(f"[{restriction}] is no list of architectures")
    if denied:
        return not any(_covers(name, architecture) for name in denied)
    return any(_covers(name, architecture) for name in names)


def _covers(name: str, architecture: str) -> bool:
    return name in (architecture, "any", "linux-any", f"any-{architecture}")
