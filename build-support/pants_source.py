"""Reads declarations out of a source tree of Pants by AST, for `pants_api.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from pants_declaration import Definition, Function


class Module:
    """A module's top-level names, whether defined or imported there."""

    def __init__(self, name: str, tree: ast.Module, *, package: bool) -> None:
        self.name = name
        self.tree = tree
        self.package = package
        self.nodes: dict[str, ast.stmt] = {}
        self.imports: dict[str, tuple[str, Optional[str]]] = {}
        self.stars: list[str] = []
        for node in _statements(tree.body):
            self._bind(node)

    def _bind(self, node: ast.stmt) -> None:
        if isinstance(node, (*Function, ast.ClassDef)):
            self.nodes[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self.nodes[node.target.id] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.nodes[target.id] = node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.split(".")[0]
                self.imports[alias.asname or name] = (name, None)
        elif isinstance(node, ast.ImportFrom):
            source = self._absolute(node)
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(source)
                else:
                    self.imports[alias.asname or alias.name] = (source, alias.name)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return str(node.module)
        parts = self.name.split(".")
        up = parts[: len(parts) - node.level + (1 if self.package else 0)]
        return ".".join([*up, node.module] if node.module else up)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """A module's own statements, those inside `if` and `try` too."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [item for handler in node.handlers for item in handler.body]
            yield from _statements([*node.body, *handlers, *node.orelse])
        else:
            yield node


class Tree:
    """A source tree of Pants."""

    def __init__(self, place: Path) -> None:
        nested = place / "src" / "python"
        self.root = nested if nested.is_dir() else place
        if not (self.root / "pants" / "VERSION").is_file():
            raise SystemExit(f"{place}: no source of Pants (src/python/pants/VERSION)")
        self.unreadable: list[Path] = []
        self._modules: dict[str, Optional[Module]] = {}

    def module(self, name: str) -> Optional[Module]:
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Optional[Module]:
        stem = self.root.joinpath(*name.split("."))
        for file in (stem.with_suffix(".py"), stem / "__init__.py", stem.with_suffix(".pyi")):
            if name.split(".")[0] == "pants" and file.is_file():
                try:
                    tree = ast.parse(file.read_text())
                except SyntaxError:
                    self.unreadable.append(file.relative_to(self.root))
                    return None
                return Module(name, tree, package=file.name == "__init__.py")
        return None

    def resolve(self, module_name: str, name: str, depth: int = 0) -> Optional[Definition]:
        """Where `name` of a module is defined, through every re-export; None: it has no such."""
        module = self.module(module_name)
        if module is None or depth > 20:
            return None
        if name in module.nodes:
            value = getattr(module.nodes[name], "value", None)
            if isinstance(value, ast.Name) and value.id != name:  # another name of the same thing
                same = self.resolve(module_name, value.id, depth + 1)
                if same is not None:
                    return same
            return Definition(self, module, name, module.nodes[name])
        if name in module.imports:
            source, original = module.imports[name]
            return self.resolve(source, original, depth + 1) if original else None
        for source in module.stars:
            found = self.resolve(source, name, depth + 1)
            if found is not None:
                return found
        return None

    def definition(self, full_name: str) -> Optional[Definition]:
        """By its full name, which is `module.Class.Inner` for a class within a class."""
        place, _, name = full_name.rpartition(".")
        if not place or not name.isidentifier():
            return None
        if self.module(place) is not None:
            return self.resolve(place, name)
        outer = self.definition(place)
        return outer.inner(name) if outer is not None and outer.is_class else None

    def awaits(self, definition: Definition, wanted: Iterable[str]) -> bool:
        """Whether its body calls a function of these full names, or calls what does."""
        seen, left = set(), [definition]
        while left:
            each = left.pop()
            if each.full_name in wanted:
                return True
            if each.full_name in seen or not each.is_function:
                continue
            seen.add(each.full_name)
            for node in ast.walk(each.node):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    called = self.resolve(each.module.name, node.func.id)
                    if called is not None:
                        left.append(called)
        return False

    def ancestors(self, definition: Definition) -> set[str]:
        found: set[str] = set()
        for base in definition.bases():
            found |= {base.full_name} | self.ancestors(base)
        return found

    def rules(self, packages: Iterable[str]) -> Iterator[Definition]:
        """The rules of some packages, those that are made inside a function too; not of tests."""
        for package in packages:
            for file in sorted((self.root / "pants" / package).rglob("*.py")):
                if file.stem.endswith(("_test", "testutil", "test_base", "conftest")):
                    continue
                name = ".".join(file.relative_to(self.root).with_suffix("").parts)
                module = self.module(name.removesuffix(".__init__"))
                for node in ast.walk(module.tree) if module else ():
                    if isinstance(node, Function) and module is not None:
                        rule = Definition(self, module, node.name, node)
                        if rule.is_rule and rule.returns():
                            yield rule
