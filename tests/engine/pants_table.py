"""The table of Pants' names, `pants_api.json`, as the checker asks it.

`build-support/pants_api.py` writes it.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

FILE = Path(__file__).with_name("pants_api.json")
RULES = ("rule", "goal_rule")
COLLECTIONS = (
    "Iterable",
    "Sequence",
    "Collection",
    "Iterator",
    "list",
    "List",
    "set",
    "frozenset",
    "FrozenSet",
)


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    kind: str  # "positional", "named", "*" or "**"
    required: bool


@dataclass(frozen=True)
class Signature:
    parameters: tuple[Parameter, ...]
    returns: str

    @property
    def positional(self) -> tuple[Parameter, ...]:
        return tuple(p for p in self.parameters if p.kind == "positional")

    def takes(self, kind: str) -> bool:
        return any(parameter.kind == kind for parameter in self.parameters)


@functools.cache
def signature(text: str) -> Signature:
    """Of `(a: int, *, b: str=...) -> str`."""
    function = ast.parse(f"def f{text}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    found = [
        Parameter(argument.arg, _text(argument.annotation), "positional", place < first_default)
        for place, argument in enumerate(positional)
    ]
    if arguments.vararg:
        found.append(
            Parameter(arguments.vararg.arg, _text(arguments.vararg.annotation), "*", False)
        )
    found += [
        Parameter(argument.arg, _text(argument.annotation), "named", default is None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)
    ]
    if arguments.kwarg:
        found.append(Parameter(arguments.kwarg.arg, _text(arguments.kwarg.annotation), "**", False))
    return Signature(tuple(found), _text(function.returns))


def _text(node: Optional[ast.expr]) -> str:
    return ast.unparse(node) if node is not None else ""


class Table:
    """One release of Pants."""

    def __init__(self, version: str, content: dict[str, Any]) -> None:
        self.version = version
        self.names: dict[str, str] = content["names"]
        self.definitions: dict[str, dict[str, Any]] = content["definitions"]
        self.ambient = set(content["ambient"])
        self.rules = {
            name: self.signature(name)
            for name, definition in self.definitions.items()
            if definition["kind"] in RULES
        }

    def find(self, module: str, name: str) -> Optional[str]:
        """The full name of what a module calls `name`; None: it has no such name."""
        imported = f"{module}.{name}"
        full_name = self.names.get(imported, imported)
        return full_name if full_name in self.definitions else None

    def unknown(self, name: str) -> str:
        return (
            f"the table of Pants {self.version} has no {name}: there is none,"
            " or the table wants writing anew (build-support/pants_api.py)"
        )

    def kind(self, full_name: str) -> str:
        return str(self.definitions.get(full_name, {}).get("kind", ""))

    def runs_processes(self, full_name: str) -> bool:
        return bool(self.definitions[full_name].get("runs", False))

    def signature(self, full_name: str) -> Signature:
        return signature(self.definitions[full_name]["signature"])

    def member(self, class_name: str, member: str) -> Optional[str]:
        """As in the table: "(…)" of a method, the type of an attribute; None: it has no such."""
        found = self.definitions[class_name].get("members", {}).get(member)
        return None if found is None else str(found)

    def lacks(self, owner: str, member: str) -> bool:
        """Whether a class or module has no such member, for all that can be told."""
        is_open = self.definitions[owner].get("open", False)
        return self.member(owner, member) is None and not is_open

    # --- Types, as texts with Pants' names in full ---

    def fits(self, given: str, wanted: str) -> bool:
        """Whether a value of one type serves as another; True where that isn't known."""
        if not given or not wanted:
            return True
        alternatives = _alternatives(wanted)
        return all(
            any(self._fits(one, alternative) for alternative in alternatives)
            for one in _alternatives(given)
        )

    def _fits(self, given: str, wanted: str) -> bool:
        if given == wanted:
            return True
        wanted_class, given_class = wanted.partition("[")[0], given.partition("[")[0]
        if self.kind(wanted_class) == "class":
            if self.kind(given_class) == "class":
                return given_class == wanted_class or wanted_class in self.ancestors(given_class)
            return given_class.startswith("pants.")  # else it is none of Pants' types
        inner_given, inner_wanted = element(given), element(wanted)
        if inner_given and inner_wanted:
            return self.fits(inner_given, inner_wanted)
        plain = ("str", "bytes", "None")
        return wanted not in plain or (given not in plain and self.kind(given_class) != "class")

    def ancestors(self, class_name: str) -> list[str]:
        return list(self.definitions[class_name]["ancestors"])

    # --- What rules make of types ---

    def reachable(self, given: Iterable[str]) -> set[str]:
        """All types that rules of the table make of the given ones and the ambient ones."""
        known = set(given) | self.ambient
        while True:
            more = {
                rule.returns
                for rule in self.rules.values()
                if rule.returns not in known and known.issuperset(p.type for p in rule.parameters)
            }
            if not more:
                return known
            known |= more

    def made_of(self, start: str, given: Iterable[str]) -> set[str]:
        """`start`, and the types on the way to which a rule takes it, or what was made of it."""
        known = self.reachable(given)
        found = {start}
        while True:
            more = {
                rule.returns
                for rule in self.rules.values()
                if found.intersection(p.type for p in rule.parameters)
                and known.issuperset(p.type for p in rule.parameters)
            } - found
            if not more:
                return found
            found |= more


def element(type_: str) -> str:
    """Of `Iterable[T]`, `tuple[T, ...]` and the like, T; "" for any other type."""
    node = ast.parse(type_, mode="eval").body if type_ else None
    if not isinstance(node, ast.Subscript):
        return ""
    outer = ast.unparse(node.value).rpartition(".")[2]
    inner = node.slice
    if outer in ("tuple", "Tuple") and isinstance(inner, ast.Tuple) and len(inner.elts) == 2:
        last = inner.elts[1]
        if isinstance(last, ast.Constant) and last.value is Ellipsis:
            return ast.unparse(inner.elts[0])
    return ast.unparse(inner) if outer in COLLECTIONS else ""


def _alternatives(type_: str) -> list[str]:
    """Of `A | B`, `Union[A, B]` and `Optional[A]`, each."""
    node = ast.parse(type_, mode="eval").body
    if isinstance(node, ast.BinOp):
        return [*_alternatives(ast.unparse(node.left)), *_alternatives(ast.unparse(node.right))]
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("Union", "Optional"):
        inner = node.slice
        members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        found = [alternative for m in members for alternative in _alternatives(ast.unparse(m))]
        return [*found, "None"] if ast.unparse(node.value) == "Optional" else found
    return [type_]


def load() -> dict[str, dict[str, Any]]:
    """The table's releases, as plain data."""
    content: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
    return content
