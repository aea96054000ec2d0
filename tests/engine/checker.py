"""Checks a module's use of Pants against a table of Pants' names, by AST alone.

Pure functions: source text and table in, findings out, each `LINE: what is wrong`. Two depths:

- `check_imports`: for any module. Every name that is imported from Pants exists, and every member
  of one that is used; a call of one, or of a method, has arguments that its signature takes.
- `check_calls`: for the half of the seam that calls rules by name, all that Pants' rule visitor
  (pants/engine/internals/rule_visitor.py) asks of such a call and what its rule graph can solve.
"""

from __future__ import annotations

import ast
from typing import Optional

from tests.engine.inference import Function, Scope, Types, pants_imports
from tests.engine.pants_table import RULES, Signature, Table, element

_ENVIRONMENT = "pants.engine.environment.EnvironmentName"


def check_imports(source: str, table: Table, seam: str = "") -> list[str]:
    """`seam` is the source of what the module imports as `engine`."""
    checker = _Checker(source, table, Types(seam, table))
    checker.imports()
    checker.run(calls=False)
    return sorted(checker.findings, key=_line)


def check_calls(source: str, table: Table) -> list[str]:
    checker = _Checker(source, table)
    checker.imports()
    checker.placement()
    checker.run(calls=True)
    return sorted(checker.findings, key=_line)


def rules_called(source: str, table: Table) -> dict[str, bool]:
    """The rules that a module calls; whether some call gives one an argument by position."""
    types = Types(source, table)
    found: dict[str, bool] = {}
    for node in ast.walk(types.tree):
        rule = types.target(node.func) if isinstance(node, ast.Call) else ""
        if table.kind(rule) in RULES and isinstance(node, ast.Call):
            found[rule] = found.get(rule, False) or bool(node.args)
    return found


def check_agreement(source: str, tables: list[Table]) -> list[str]:
    """Arguments that are given by position mean the same in every release."""
    findings = []
    first, *others = tables
    modules = [Types(source, table) for table in tables]
    for node in ast.walk(modules[0].tree):
        if not isinstance(node, ast.Call):
            continue
        rules = [module.target(node.func) for module in modules]
        if not rules[0] or any(t.kind(r) not in RULES for t, r in zip(tables, rules)):
            continue
        given = [
            [p.name for p in table.signature(rule).positional[: len(node.args)]]
            for table, rule in zip(tables, rules)
        ]
        for table, names in zip(others, given[1:]):
            if names != given[0]:
                findings.append(
                    f"{node.lineno}: {rules[0]} takes {given[0]} in {first.version}"
                    f" and {names} in {table.version}"
                )
    return findings


def _line(finding: str) -> int:
    return int(finding.partition(":")[0])


class _Checker(Types):
    def __init__(self, source: str, table: Table, seam: Optional[Types] = None) -> None:
        super().__init__(source, table, seam)
        self.findings: list[str] = []
        self.awaited: set[ast.expr] = set()
        self.calls = False

    def report(self, node: ast.AST, text: str) -> None:
        finding = f"{getattr(node, 'lineno', 0)}: {text}"
        if finding not in self.findings:
            self.findings.append(finding)

    # --- Imports ---

    def imports(self) -> None:
        for node, alias in pants_imports(self.tree):
            if alias.name == "*":
                self.report(node, f"import * of {node.module}")
            elif self.table.find(str(node.module), alias.name) is None:
                self.report(node, self.table.unknown(f"{node.module}.{alias.name}"))
        for other in ast.walk(self.tree):
            if isinstance(other, ast.Import):
                for alias in other.names:
                    if alias.name.split(".")[0] == "pants":
                        self.report(other, f"write `from {alias.name} import …`")

    def placement(self) -> None:
        """Pants looks names up in the module, once it is imported, and not in a function."""
        for function in ast.walk(self.tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for node, alias in pants_imports(function):
                    self.report(node, f"{alias.name} is imported inside {function.name}")
        for branch in ast.walk(self.tree):
            if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test):
                for statement, alias in pants_imports(ast.Module(branch.body, [])):
                    self.report(statement, f"{alias.name} is imported for type checkers alone")
        for name, function in self.local.items():
            if name in self.imported:
                self.report(function, f"{name} hides the {name} that is imported")

    # --- Walking ---

    def run(self, *, calls: bool) -> None:
        self.calls = calls
        self._mark_awaited()
        for node in self.tree.body:
            self.visit(node, Scope())
        if calls:
            self._rules_as_values()

    def _mark_awaited(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Await):
                self.awaited.add(node.value)
                if isinstance(node.value, ast.Call) and self.names(node.value.func, "concurrently"):
                    for argument in node.value.args:
                        self.awaited.add(argument)
                        if isinstance(argument, (ast.GeneratorExp, ast.ListComp)):
                            self.awaited.add(argument.elt)

    def visit(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node, scope.inner())
            return
        if isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
            scope = self.comprehension(node, scope)
        elif isinstance(node, ast.For):
            self.bind(node.target, element(self.infer(node.iter, scope)), scope)
        for child in ast.iter_child_nodes(node):
            self.visit(child, scope)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.bind(target, self.infer(node.value, scope), scope)
        elif isinstance(node, ast.AnnAssign):
            self.bind(node.target, self.type_of(node.annotation), scope)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, scope)
        elif isinstance(node, ast.Call):
            self._call(node, scope)

    def _function(self, node: Function, scope: Scope) -> None:
        arguments = node.args
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            scope.types[argument.arg] = self.type_of(argument.annotation)
        for statement in node.body:
            self.visit(statement, scope)
            if self.calls and isinstance(node, ast.AsyncFunctionDef):
                self._returns(statement, node, scope)

    def _returns(self, statement: ast.stmt, function: Function, scope: Scope) -> None:
        wanted = self.type_of(function.returns)
        if function.returns is None:
            self.report(function, f"{function.name} has no return type")
            return
        for node in ast.walk(statement):
            if isinstance(node, ast.Return) and node.value is not None:
                found = self.infer(node.value, scope)
                if not found:
                    self.report(node, f"{function.name}: write it so that its type can be told")
                elif not self.same(found, wanted):
                    self.report(node, f"{function.name} returns {found}, not {wanted}")

    def _attribute(self, node: ast.Attribute, scope: Scope) -> None:
        owner = self.owner(node, scope)
        if owner and self.table.lacks(owner, node.attr):
            self.report(node, self.table.unknown(f"{owner}.{node.attr}"))

    # --- Calls ---

    def _call(self, call: ast.Call, scope: Scope) -> None:
        full_name = self.target(call.func)
        kind = self.table.kind(full_name)
        if isinstance(call.func, ast.Name) and call.func.id in self.special:
            return
        if kind in (*RULES, "async function"):
            if self.calls:
                self._rule_call(call, full_name, scope)
        elif kind in ("class", "function"):
            self._arguments(call, full_name, self.table.signature(full_name), scope)
        elif self.calls and isinstance(call.func, ast.Name) and call.func.id in self.local:
            if isinstance(self.local[call.func.id], ast.AsyncFunctionDef):
                self._awaits(call, call.func.id)
        method = self.method(call, scope)
        if method is not None:
            self._arguments(call, ast.unparse(call.func), method, scope)

    def _awaits(self, call: ast.Call, name: str) -> None:
        if call not in self.awaited:
            self.report(call, f"{name} is neither awaited nor an argument of concurrently")

    def _arguments(self, call: ast.Call, name: str, takes: Signature, scope: Scope) -> None:
        """Whether a call's arguments are those of a signature, as Python itself would say."""
        if any(isinstance(argument, ast.Starred) for argument in call.args) or any(
            keyword.arg is None for keyword in call.keywords
        ):
            return
        known = {parameter.name: parameter for parameter in takes.parameters}
        given = dict(zip((p.name for p in takes.positional), call.args))
        if len(call.args) > len(takes.positional) and not takes.takes("*"):
            self.report(call, f"{name} takes {len(takes.positional)} arguments by position")
        for keyword in call.keywords:
            if keyword.arg in known:
                given[str(keyword.arg)] = keyword.value
            elif not takes.takes("**"):
                self.report(call, f"{name} has no parameter {keyword.arg} in {self.table.version}")
        for parameter in takes.parameters:
            if parameter.required and parameter.kind in ("positional", "named"):
                if parameter.name not in given:
                    self.report(call, f"{name} wants {parameter.name} in {self.table.version}")
        for key, value in given.items():
            self._fits(call, name, known[key].name, self.infer(value, scope), known[key].type)

    def _fits(self, call: ast.Call, name: str, parameter: str, given: str, wanted: str) -> None:
        if not self.table.fits(given, wanted):
            self.report(call, f"{name} takes a {wanted} as {parameter}, not a {given}")

    def _rule_call(self, call: ast.Call, name: str, scope: Scope) -> None:
        takes = self.table.signature(name)
        self._awaits(call, name)
        if self.table.kind(name) == "goal_rule":
            self.report(call, f"{name} is a goal's rule, which no rule may call")
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            self.report(call, f"{name} is called with *, which Pants counts as one argument")
            return
        if len(call.args) > len(takes.positional):
            self.report(call, f"{name} has only {len(takes.positional)} parameters")
        for argument, parameter in zip(call.args, takes.positional):
            given = self.infer(argument, scope)
            self._fits(call, name, parameter.name, given, parameter.type)
        left = [parameter for parameter in takes.positional[len(call.args) :]]
        types = self._implicit(call, name, scope)
        if types is None:
            missing = [p.name for p in left if p.required]
            if missing and not call.keywords:
                self.report(call, f"{name} wants {', '.join(missing)}, or **implicitly()")
            return
        if self.table.kind(name) not in RULES:
            self.report(call, f"{name} is no rule and takes no **implicitly()")
            return
        known = self.table.reachable(types)
        for parameter in left:
            if parameter.type not in known:
                self.report(call, f"nothing gives {name} its {parameter.name}: {parameter.type}")
        for type_ in types:
            if type_ == _ENVIRONMENT and self.table.runs_processes(name):
                continue
            if not self.table.made_of(type_, types).intersection(p.type for p in left):
                self.report(call, f"{name} has no use for a {type_} in {self.table.version}")

    def _implicit(self, call: ast.Call, name: str, scope: Scope) -> Optional[list[str]]:
        """The types in `**implicitly({x: T})`; None where the call has no such."""
        if not call.keywords:
            return None
        value = call.keywords[0].value
        if (
            len(call.keywords) > 1
            or call.keywords[0].arg is not None
            or not isinstance(value, ast.Call)
            or not self.names(value.func, "implicitly")
        ):
            self.report(call, f"{name} takes arguments by position and one **implicitly(…) only")
            return None
        if not value.args and not value.keywords:
            return []
        mapping = value.args[0]
        if len(value.args) != 1 or value.keywords or not isinstance(mapping, ast.Dict):
            self.report(value, "write implicitly() or implicitly({x: T}), the type spelled out")
            return None
        return self._types(mapping, scope)

    def _types(self, mapping: ast.Dict, scope: Scope) -> list[str]:
        types: list[str] = []
        for key, value in zip(mapping.keys, mapping.values):
            type_ = self.target(value)
            if key is None or not self.is_class(type_):
                self.report(value, f"implicitly: {ast.unparse(value)} is no class of Pants")
                continue
            if not self.table.fits(self.infer(key, scope), type_):
                self.report(key, f"implicitly: {ast.unparse(key)} is no {type_}")
            if type_ in types:
                self.report(value, f"implicitly: {type_} is given twice")
            types.append(type_)
        return types

    def _rules_as_values(self) -> None:
        """A rule under another name is one that Pants doesn't see being called."""
        called = {node.func for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node not in called:
                if self.table.kind(self.imported.get(node.id, "")) in RULES:
                    self.report(node, f"{node.id} is a rule and may only be called")
                elif self.special.get(node.id):
                    self.report(node, f"{node.id} may only be called")
