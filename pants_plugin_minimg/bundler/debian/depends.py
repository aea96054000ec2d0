"""Which of a set of packages need which others of it, as their Depends say (Debian Policy 7.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pants_plugin_minimg.bundler.debian import relations


def within(packages: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """For the fields of each package (names in lower case): the others that it needs, sorted.

    A package is named `name:architecture`. Of alternatives the first that is there counts, and a
    real package before those that provide the name. What is not there is left out.
    """
    names: dict[str, list[str]] = {}
    provided: dict[str, list[str]] = {}
    for fields in packages:
        key = _key(fields)
        names.setdefault(fields.get("package", ""), []).append(key)
        for clause in _clauses(fields, "provides"):
            provided.setdefault(clause[0].name, []).append(key)
    out = []
    for fields in packages:
        needed = set()
        for clause in _clauses(fields, "pre-depends") + _clauses(fields, "depends"):
            candidates = [table.get(one.name, []) for one in clause for table in (names, provided)]
            found = next(filter(None, candidates), None)
            if found is not None:
                needed.add(_nearest(found, fields.get("architecture", "")))
        out.append(tuple(sorted(needed - {_key(fields)})))
    return out


def _key(fields: Mapping[str, str]) -> str:
    return f"{fields.get('package', '')}:{fields.get('architecture', '')}"


def _nearest(keys: Sequence[str], architecture: str) -> str:
    """Of one package for several architectures, the one for this."""
    for suffix in (architecture, "all"):
        for key in keys:
            if key.endswith(f":{suffix}"):
                return key
    return min(keys)


def _clauses(fields: Mapping[str, str], name: str) -> tuple[relations.Clause, ...]:
    """Empty for a field that cannot be read: a relation less is no reason to fail."""
    try:
        return relations.clauses(fields.get(name, ""), fields.get("architecture", ""))
    except ValueError:
        return ()
