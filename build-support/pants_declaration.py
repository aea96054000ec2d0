"""One declaration in a source of Pants: what it is, what it takes, what it returns."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from pants_source import Module, Tree

RULE_DECORATORS = {"rule": "rule", "_uncacheable_rule": "rule", "goal_rule": "goal_rule"}
# A constructor of which the source does not say what it takes.
ANY = "(*args, **kwargs)"
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Definition:
    """One class, function, rule or value of Pants."""

    tree: Tree
    module: Module
    name: str
    node: ast.stmt

    @property
    def full_name(self) -> str:
        return f"{self.module.name}.{self.name}"

    @cached_property
    def kind(self) -> str:
        node = self.node
        if isinstance(node, Function):
            marks = {RULE_DECORATORS.get(name) for name in _decorators(node)} - {None}
            plain = "async function" if isinstance(node, ast.AsyncFunctionDef) else "function"
            return str(next(iter(marks), plain))
        if isinstance(node, ast.ClassDef):
            return "class"
        return "value"

    @property
    def is_rule(self) -> bool:
        return self.kind in ("rule", "goal_rule")

    @property
    def is_function(self) -> bool:
        return isinstance(self.node, Function)

    @property
    def is_class(self) -> bool:
        return self.kind == "class"

    # --- Types ---

    def text(self, node: Optional[ast.expr]) -> str:
        """An annotation with the names of Pants' types in full."""
        if node is None:
            return ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        return ast.unparse(_InFull(self).visit(ast.parse(ast.unparse(node), mode="eval").body))

    def in_full(self, name: str) -> Optional[str]:
        found = self.tree.resolve(self.module.name, name)
        return found.full_name if found is not None else None

    def value_type(self) -> str:
        node = self.node
        if isinstance(node, ast.AnnAssign):
            return self.text(node.annotation)
        value = getattr(node, "value", None)
        if isinstance(value, ast.Call):
            found = self.text(value.func)
            definition = self.tree.definition(found)
            return found if definition is not None and definition.is_class else ""
        return ""

    # --- Functions ---

    def parameter_types(self) -> list[str]:
        node = self.node
        assert isinstance(node, Function)
        return [self.text(argument.annotation) for argument in node.args.args]

    def returns(self) -> str:
        return self.text(self.node.returns) if isinstance(self.node, Function) else ""

    def signature(self) -> str:
        if isinstance(self.node, Function):
            return self._signature(self.node, bound=False)
        return self._constructor()

    def _signature(self, node: ast.AST, *, bound: bool) -> str:
        """`(a: int, *, b: str=...) -> str`; of a method without `self`."""
        assert isinstance(node, Function)
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [False] * (len(positional) - len(arguments.defaults))
        defaults += [True] * len(arguments.defaults)
        listed = [
            self._parameter(argument, has_default)
            for argument, has_default in zip(positional, defaults)
        ]
        if arguments.posonlyargs:
            listed.insert(len(arguments.posonlyargs), "/")
        if bound and listed:
            del listed[0]
            if listed and listed[0] == "/":
                del listed[0]
        if arguments.vararg:
            listed.append("*" + self._parameter(arguments.vararg, False))
        elif arguments.kwonlyargs:
            listed.append("*")
        listed += [
            self._parameter(argument, default is not None)
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)
        ]
        if arguments.kwarg:
            listed.append("**" + self._parameter(arguments.kwarg, False))
        returns = f" -> {self.text(node.returns)}" if node.returns else ""
        return f"({', '.join(listed)}){returns}"

    def _parameter(self, argument: ast.arg, has_default: bool) -> str:
        type_ = f": {self.text(argument.annotation)}" if argument.annotation else ""
        return f"{argument.arg}{type_}{'=...' if has_default else ''}"

    # --- Classes ---

    def bases(self) -> list[Definition]:
        node = self.node
        found = []
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            plain = base.value if isinstance(base, ast.Subscript) else base
            definition = self.tree.definition(self.text(plain))
            if definition is not None and definition.is_class:
                found.append(definition)
        return found

    def outside_bases(self) -> set[str]:
        """The ancestors that are not Pants' own: `Enum`, `Exception`, `Tuple`."""
        node = self.node
        assert isinstance(node, ast.ClassDef)
        own = set()
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            text = self.text(plain)
            definition = self.tree.definition(text)
            if definition is None or not definition.is_class:
                own.add(text.rpartition(".")[2])
        for parent in self.bases():
            own |= parent.outside_bases()
        return own - {"Generic", "Protocol", "ABC", "object", "SideEffecting"}

    def _method(self, name: str) -> list[ast.AST]:
        node = self.node
        assert isinstance(node, ast.ClassDef)
        return [item for item in node.body if isinstance(item, Function) and item.name == name]

    def _constructor(self) -> str:
        for name in ("__init__", "__new__"):
            methods = self._method(name)
            if len(methods) > 1:
                return ANY  # overloads
            if methods:
                signature = self._signature(methods[0], bound=True)
                return signature.partition(" -> ")[0]
        if self._dataclass() is not None:
            return f"({', '.join(self._fields().values())})"
        outside = self.outside_bases()
        if outside & {"Enum", "IntEnum", "StrEnum"}:
            return "(value)"
        for parent in self.bases():
            signature = parent._constructor()
            if signature != "()":
                return signature
        if outside & {"Tuple", "tuple", "FrozenOrderedSet", "FrozenDict"}:
            return "(iterable=..., /)"
        return ANY if outside else "()"

    def _dataclass(self) -> Optional[ast.expr]:
        node = self.node
        assert isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list:
            if _name(decorator) == "dataclass" and not _keyword_is(decorator, "init", False):
                return decorator
        return None

    def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        for parent in reversed(self.bases()):
            if parent._dataclass() is not None:
                fields.update(parent._fields())
        node = self.node
        assert isinstance(node, ast.ClassDef)
        for item in node.body:
            if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                continue
            type_ = self.text(item.annotation)
            if "ClassVar" in type_ or _keyword_is(item.value, "init", False):
                continue
            default = "=..." if _has_default(item.value) else ""
            fields[item.target.id] = f"{item.target.id}: {type_}{default}"
        return fields

    def inner(self, name: str) -> Optional[Definition]:
        """A class within this one, or within one of its ancestors."""
        node = self.node
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.ClassDef) and item.name == name:
                return Definition(self.tree, self.module, f"{self.name}.{name}", item)
        found = (parent.inner(name) for parent in self.bases())
        return next((definition for definition in found if definition is not None), None)

    def member(self, name: str) -> Optional[str]:
        """A method's signature, or an attribute's type ("" where none is written); None: none."""
        node = self.node
        assert isinstance(node, ast.ClassDef)
        for item in node.body:
            if isinstance(item, Function) and item.name == name:
                decorators = set(_decorators(item))
                if decorators & {"property", "memoized_property", "cached_property"}:
                    return self.text(item.returns)
                return self._signature(item, bound="staticmethod" not in decorators)
            if isinstance(item, ast.AnnAssign) and _named(item.target, name):
                return self.text(item.annotation)
            if isinstance(item, ast.Assign) and any(_named(t, name) for t in item.targets):
                enum = self.outside_bases() & {"Enum", "IntEnum", "StrEnum"}
                return self.full_name if enum else ""
            if isinstance(item, ast.ClassDef) and item.name == name:
                return f"{self.full_name}.{name}"
        if any(_sets(item, name) for item in node.body if isinstance(item, Function)):
            return ""
        for parent in self.bases():
            found = parent.member(name)
            if found is not None:
                return found
        return None


class _InFull(ast.NodeTransformer):
    """Writes the names of Pants out: `Digest` -> `pants.engine.internals.native_engine.Digest`."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(id=self.definition.in_full(node.id) or node.id, ctx=ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):
            imported = self.definition.module.imports.get(node.value.id)
            if imported is not None:
                module = imported[0] if imported[1] is None else ".".join(map(str, imported))
                found = self.definition.tree.resolve(module, node.attr)
                if found is not None:
                    return ast.Name(id=found.full_name, ctx=ast.Load())
        self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, str) and node.value.isidentifier():
            return ast.Name(id=self.definition.in_full(node.value) or node.value, ctx=ast.Load())
        return node


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _sets(method: ast.AST, name: str) -> bool:
    """Whether a method says `self.name = …`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.ctx, ast.Store)
        and _named(node.value, "self")
        for node in ast.walk(method)
    )


def _decorators(node: ast.AST) -> list[str]:
    assert isinstance(node, Function)
    return [_name(decorator) for decorator in node.decorator_list]


def _keyword_is(node: Optional[ast.expr], name: str, value: object) -> bool:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return any(
        keyword.arg == name
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is value
        for keyword in keywords
    )


def _has_default(node: Optional[ast.expr]) -> bool:
    if isinstance(node, ast.Call) and _name(node) == "field":
        return any(keyword.arg in ("default", "default_factory") for keyword in node.keywords)
    return node is not None
