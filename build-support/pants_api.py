"""Writes the table of Pants' names that this plugin uses, as Pants' own source declares them.

The half of the seam that calls rules by name runs only on a Pants that the tests here don't run,
so the tests check it against this table. Everything is read by AST; nothing of Pants is imported.

    python build-support/pants_api.py --source 2.17.1=DIR --source 2.29.0=DIR --source 2.33.0=DIR \
        > tests/engine/pants_api.json

DIR is an unpacked source of that release of Pants (it holds `src/python/pants`, or `pants`).
Use the newest Python that you have: the sources are written for the Python of their Pants.

What the table holds is derived from the plugin's own imports, so write it anew when they grow:

- `definitions`: for each name that the plugin imports from Pants its kind, its signature (of a
  class: the constructor's) with every type written out in full, its ancestors in Pants, and those
  members that the plugin uses (`open`: it has others, of an ancestor outside Pants);
- `names`: where a name is defined that the plugin imports from another module than that;
- `runs`, of a rule: it runs processes, so that it matters in which environment it is called;
- `ambient`: the types, among the parameters of those rules, that Pants itself finds for any rule
  (subsystems, the environment, whatever rules make of these): a caller need not give them.

Where the seam gives a rule's argument by `implicitly`, the rules that lead from the given type to
the parameter are in `definitions` too.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pants_declaration import Definition
from pants_source import Tree

PACKAGE = Path(__file__).resolve().parent.parent / "pants_plugin_minimg"
# The first release in which every helper that the by-name half uses exists.
FIRST_BY_NAME = (2, 29)
# Rules of these are there in every Pants that runs the plugin; a backend's may not be.
RULE_PACKAGES = ("engine", "core", "init", "source", "vcs", "option", "backend/python")
# What a Pants run gives to all its rules.
GIVEN = (
    "pants.engine.environment.EnvironmentName",
    "pants.engine.console.Console",
    "pants.engine.fs.Workspace",
)
# Whoever comes to call it has use for an environment.
RUN_A_PROCESS = (
    "pants.engine.intrinsics.execute_process",
    # Given a process by `implicitly`.
    "pants.engine.process.fallible_to_exec_result_or_raise",
)
SUBSYSTEM = "pants.option.subsystem.Subsystem"


# --- What the plugin uses -------------------------------------------------------------------------


class Uses:
    """The names of Pants that some of the plugin's modules use."""

    def __init__(self) -> None:
        self.names: set[tuple[str, str]] = set()  # (module, name), as imported
        self.attributes: set[str] = set()  # attributes of anything
        self.members: set[tuple[str, str, str]] = set()  # (module, name, attribute)
        # A rule that is called, and the types given to it by `implicitly`.
        self.given: list[tuple[tuple[str, str], list[tuple[str, str]]]] = []

    def read(self, file: Path) -> None:
        tree = ast.parse(file.read_text())
        imported = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and _of_pants(node):
                for alias in node.names:
                    imported[alias.asname or alias.name] = (str(node.module), alias.name)
        self.names.update(imported.values())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self.attributes.add(node.attr)
                if isinstance(node.value, ast.Name) and node.value.id in imported:
                    self.members.add((*imported[node.value.id], node.attr))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                types = [imported[name] for name in _given(node) if name in imported]
                if types and node.func.id in imported:
                    self.given.append((imported[node.func.id], types))


def _of_pants(node: ast.ImportFrom) -> bool:
    return node.level == 0 and (node.module or "").split(".")[0] == "pants"


def _given(call: ast.Call) -> Iterator[str]:
    """T and U of `rule(..., **implicitly({x: T, y: U}))`."""
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg is None and isinstance(value, ast.Call) and len(value.args) == 1:
            if isinstance(value.args[0], ast.Dict):
                for item in value.args[0].values:
                    if isinstance(item, ast.Name):
                        yield item.id


def uses(package: Path, version: str) -> Uses:
    by_name = tuple(int(part) for part in version.split(".")[:2]) >= FIRST_BY_NAME
    other_half = "_by_get.py" if by_name else "_by_name.py"
    found = Uses()
    for file in sorted(package.rglob("*.py")):
        place = file.relative_to(package)
        if place.parts[0] != "bundler" and file.name != other_half:
            found.read(file)
    return found


# --- How rules lead from one type to another ------------------------------------------------------


class Rules:
    """Every rule of the packages that any Pants loads."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.rules = list(tree.rules(RULE_PACKAGES))
        self.ambient = self._ambient()

    def _free(self, type_: str) -> bool:
        return type_ in GIVEN or type_.endswith(".EnvironmentAware") or self._subsystem(type_)

    def _subsystem(self, type_: str) -> bool:
        definition = self.tree.definition(type_)
        return definition is not None and SUBSYSTEM in self.tree.ancestors(definition)

    def _ambient(self) -> set[str]:
        """What rules can make of nothing but what a run of Pants gives to all of them."""
        wanted = {type_ for rule in self.rules for type_ in rule.parameter_types()}
        known = {type_ for type_ in wanted if self._free(type_)} | set(GIVEN)
        while True:
            more = {
                rule.returns()
                for rule in self.rules
                if rule.returns() not in known and known.issuperset(rule.parameter_types())
            }
            if not more:
                return known
            known |= more

    def chain(self, start: str, goals: Iterable[str], given: set[str]) -> list[Definition]:
        """The rules of the shortest way from `start` to one of `goals`; empty where it is one."""
        goals = set(goals)
        ways: dict[str, list[Definition]] = {start: []}
        while not goals.intersection(ways):
            step: dict[str, list[Definition]] = {}
            for rule in self.rules:
                types = rule.parameter_types()
                by = next((type_ for type_ in types if type_ in ways), None)
                others = set(types) - set(ways) - self.ambient - given
                if by is not None and not others and rule.returns() not in ways:
                    step.setdefault(rule.returns(), [*ways[by], rule])
            if not step:
                return []
            ways.update(step)
        return ways[min(goals.intersection(ways))]


# --- The table ------------------------------------------------------------------------------------


def table(tree: Tree, used: Uses) -> dict[str, Any]:
    names = {}
    definitions: dict[str, Definition] = {}
    for module, name in sorted(used.names):
        found = tree.resolve(module, name)
        if found is not None:
            definitions[found.full_name] = found
            if found.full_name != f"{module}.{name}":
                names[f"{module}.{name}"] = found.full_name
    for found in list(definitions.values()):
        for other in _at_hand(tree, found, used):
            definitions[other.full_name] = other
    for rule in _ways(tree, used):
        definitions[rule.full_name] = rule
    modules = {
        f"{module}.{name}": _module(tree, f"{module}.{name}", used)
        for module, name in sorted(used.names)
        if tree.resolve(module, name) is None and tree.module(f"{module}.{name}") is not None
    }
    needed = {t for d in definitions.values() if d.is_rule for t in d.parameter_types()}
    return {
        "names": names,
        "definitions": {
            **modules,
            **{name: entry(tree, definition, used) for name, definition in definitions.items()},
        },
        "ambient": sorted(needed & Rules(tree).ambient) if used.given or needed else [],
    }


def _module(tree: Tree, full_name: str, used: Uses) -> dict[str, Any]:
    """A module that is imported as such, with what is used of it."""
    attributes = {a for module, name, a in used.members if f"{module}.{name}" == full_name}
    found = {name: tree.resolve(full_name, name) for name in sorted(attributes)}
    members = {
        name: definition.value_type() if definition.kind == "value" else definition.signature()
        for name, definition in found.items()
        if definition is not None
    }
    return {"kind": "module", "members": members}


def _at_hand(tree: Tree, definition: Definition, used: Uses) -> Iterator[Definition]:
    """What one comes to from a name: what a rule returns, a class within a class."""
    if definition.is_function:
        others = [tree.definition(definition.returns())]
    else:
        others = [definition.inner(name) for name in used.attributes if name[:1].isupper()]
    yield from (other for other in others if other is not None)


def _ways(tree: Tree, used: Uses) -> Iterator[Definition]:
    if not used.given:
        return
    rules = Rules(tree)
    for called, types in used.given:
        rule = tree.resolve(*called)
        given = {t.full_name for t in (tree.resolve(*pair) for pair in types) if t is not None}
        if rule is not None and rule.is_rule:
            for type_ in sorted(given):
                yield from rules.chain(type_, rule.parameter_types(), given)


def entry(tree: Tree, definition: Definition, used: Uses) -> dict[str, Any]:
    result: dict[str, Any] = {"kind": definition.kind}
    if definition.kind == "value":
        return {**result, "type": definition.value_type()}
    result["signature"] = definition.signature()
    if definition.is_rule and tree.awaits(definition, RUN_A_PROCESS):
        result["runs"] = True
    if definition.is_class:
        result["ancestors"] = sorted(tree.ancestors(definition))
        if definition.outside_bases():
            result["open"] = True
        members = {name: definition.member(name) for name in sorted(used.attributes)}
        result["members"] = {name: text for name, text in members.items() if text is not None}
    return result


def dump(versions: dict[str, dict[str, Any]]) -> str:
    """JSON with a line for each name, so that a change is read as a change of that name."""

    def lines(items: dict[str, Any], indent: str) -> str:
        rows = (
            f"{indent}  {json.dumps(key)}: {json.dumps(items[key], sort_keys=True)}"
            for key in sorted(items)
        )
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}" if items else "{}"

    def release(content: dict[str, Any]) -> str:
        ambient = {name: True for name in content["ambient"]}
        parts = {**content, "ambient": ambient}
        rows = (f'    "{part}": {lines(parts[part], "    ")}' for part in sorted(parts))
        return "{\n" + ",\n".join(rows) + "\n  }"

    rows = (f'  "{version}": {release(versions[version])}' for version in sorted(versions))
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", action="append", required=True, metavar="VERSION=DIR")
    parser.add_argument("--package", type=Path, default=PACKAGE, help="the plugin's own source")
    options = parser.parse_args()
    versions = {}
    for source in options.source:
        version, _, place = source.partition("=")
        tree = Tree(Path(place))
        used = uses(options.package, version)
        versions[version] = table(tree, used)
        for module, name in sorted(used.names):
            if f"{module}.{name}" not in versions[version]["definitions"] and (
                f"{module}.{name}" not in versions[version]["names"]
            ):
                print(f"{version} has no {module}.{name}", file=sys.stderr)
        for file in tree.unreadable:
            print(f"{version}: not readable by this Python: {file}", file=sys.stderr)
    sys.stdout.write(dump(versions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
