"""What the types of expressions are, in a module that uses Pants, as far as they can be told."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Optional, Union

from tests.engine.pants_table import RULES, Signature, Table, element, signature

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Comprehension = Union[ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp]
RULES_MODULE = "pants.engine.rules"
PACKAGE = "pants_plugin_minimg"


def pants_imports(tree: ast.AST) -> Iterator[tuple[ast.ImportFrom, ast.alias]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").split(".")[0] == "pants":
                for alias in node.names:
                    yield node, alias


@dataclass
class Scope:
    """Names of a function and their types; "" where the type isn't known."""

    types: dict[str, str] = field(default_factory=dict)

    def inner(self) -> Scope:
        return Scope(dict(self.types))


class Types:
    """A module's names of Pants, and the types of its expressions.

    A type is a text with Pants' names in full, "" where it can't be told. `seam` is what the module
    sees as `engine`.
    """

    def __init__(self, source: str, table: Table, seam: Optional[Types] = None) -> None:
        self.tree = ast.parse(source)
        self.table = table
        self.seam = seam
        self.imported: dict[str, str] = {}  # local name -> full name
        for node, alias in pants_imports(self.tree):
            full_name = table.find(str(node.module), alias.name)
            if full_name is not None:
                self.imported[alias.asname or alias.name] = full_name
        self.seam_names: set[str] = set()
        for own in ast.walk(self.tree):
            if isinstance(own, ast.ImportFrom) and seam is not None:
                self._import_seam(own, seam)
        self.special = {
            alias.asname or alias.name: alias.name
            for node, alias in pants_imports(self.tree)
            if node.module == RULES_MODULE and alias.name in ("implicitly", "concurrently")
        }
        self.own_classes = {  # by the convention that classes alone are written so
            alias.asname or alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
            for alias in node.names
            if alias.name[:1].isupper() and not alias.name.isupper()
        }
        self.local: dict[str, Function] = {
            node.name: node
            for node in self.tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    def _import_seam(self, node: ast.ImportFrom, seam: Types) -> None:
        for alias in node.names:
            if node.module == PACKAGE and alias.name == "engine":
                self.seam_names.add(alias.asname or alias.name)
            elif node.module == f"{PACKAGE}.engine" and alias.name in seam.imported:
                self.imported[alias.asname or alias.name] = seam.imported[alias.name]

    def type_of(self, annotation: Optional[ast.expr]) -> str:
        if annotation is None:
            return ""
        types = self

        class InFull(ast.NodeTransformer):
            def visit_Name(self, node: ast.Name) -> ast.expr:
                name = {"Tuple": "tuple", "List": "list"}.get(node.id, node.id)
                return ast.Name(id=types.imported.get(node.id, name), ctx=ast.Load())

            def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
                found = types.target(node)
                if found:
                    return ast.Name(id=found, ctx=ast.Load())
                self.generic_visit(node)
                return node

        copy = ast.parse(ast.unparse(annotation), mode="eval").body
        return ast.unparse(InFull().visit(copy))

    def infer(self, node: ast.expr, scope: Scope) -> str:
        """The type of an expression; "" where it can't be told."""
        if isinstance(node, ast.Await):
            if isinstance(node.value, ast.Call) and self.names(node.value.func, "concurrently"):
                return self._infer_concurrently(node.value, scope)
            return self.infer(node.value, scope)
        if isinstance(node, ast.Name):
            return scope.types.get(node.id, "")
        if isinstance(node, ast.Constant):
            return type(node.value).__name__ if node.value is not None else "None"
        if isinstance(node, ast.Call):
            return self._infer_call(node, scope)
        if isinstance(node, ast.Attribute):
            owner = self.infer(node.value, scope)
            member = self.table.member(owner, node.attr) if self.is_class(owner) else None
            return member if member and not member.startswith("(") else ""
        if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            inner = self.infer(node.elt, self.comprehension(node, scope))
            outer = "list" if isinstance(node, ast.ListComp) else "Iterable"
            return f"{outer}[{inner}]" if inner else ""
        return ""

    def _infer_concurrently(self, call: ast.Call, scope: Scope) -> str:
        if len(call.args) == 1:
            inner = element(self.infer(call.args[0], scope))
            return f"tuple[{inner}, ...]" if inner else ""
        types = [self.infer(argument, scope) for argument in call.args]
        return f"tuple[{', '.join(types)}]" if types and all(types) else ""

    def _infer_call(self, call: ast.Call, scope: Scope) -> str:
        full_name = self.target(call.func)
        kind = self.table.kind(full_name)
        if kind == "class":
            return full_name
        if kind in (*RULES, "function", "async function"):
            return self.table.signature(full_name).returns
        if isinstance(call.func, ast.Name):
            if call.func.id in self.own_classes:
                return call.func.id
            if call.func.id in self.local:
                return self.type_of(self.local[call.func.id].returns)
            if call.func.id == "tuple" and len(call.args) == 1:
                inner = element(self.infer(call.args[0], scope))
                return f"tuple[{inner}, ...]" if inner else ""
        if isinstance(call.func, ast.Attribute) and self._is_seam(call.func.value):
            helper = self.seam.local.get(call.func.attr) if self.seam is not None else None
            return self.seam.type_of(helper.returns) if self.seam and helper else ""
        method = self.method(call, scope)
        return method.returns if method is not None else ""

    def target(self, node: ast.expr) -> str:
        """The full name of what is imported from Pants, or comes from Pants through the seam."""
        if isinstance(node, ast.Attribute) and self.seam is not None:
            return self.seam.imported.get(node.attr, "") if self._is_seam(node.value) else ""
        return self.imported.get(node.id, "") if isinstance(node, ast.Name) else ""

    def _is_seam(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.seam_names

    def is_class(self, type_: str) -> bool:
        return self.table.kind(type_) == "class"

    def owner(self, node: ast.Attribute, scope: Scope) -> str:
        """The class or module of which `node` is an attribute: of an object, or of itself."""
        if self.table.kind(self.target(node.value)) in ("class", "module"):
            return self.target(node.value)
        owner = self.infer(node.value, scope)
        return owner if self.is_class(owner) else ""

    def same(self, found: str, wanted: str) -> bool:
        """Equal, or one class for another that it descends from."""
        one, other = element(found), element(wanted)
        if one and other:
            return self.same(one, other) and found.partition("[")[0] == wanted.partition("[")[0]
        if found == wanted:
            return True
        return self.table.kind(found) == "class" and wanted in self.table.ancestors(found)

    def comprehension(self, node: Comprehension, scope: Scope) -> Scope:
        inner = scope.inner()
        for generator in node.generators:
            self.bind(generator.target, element(self.infer(generator.iter, inner)), inner)
        return inner

    def bind(self, target: ast.AST, type_: str, scope: Scope) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                scope.types[node.id] = type_ if node is target else ""

    def names(self, node: ast.expr, name: str) -> bool:
        """Whether `node` is Pants' `implicitly` or `concurrently`."""
        return isinstance(node, ast.Name) and self.special.get(node.id) == name

    def method(self, call: ast.Call, scope: Scope) -> Optional[Signature]:
        if isinstance(call.func, ast.Attribute):
            owner = self.owner(call.func, scope)
            member = self.table.member(owner, call.func.attr) if owner else None
            if member is not None and member.startswith("("):
                return signature(member)
        return None
