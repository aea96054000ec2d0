"""Checks of the plugin's own structure, by AST alone: who may import what, and which Python it is.

Pure functions: source text in, findings out, each `LINE: what is wrong`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Optional, Union

PACKAGE = "pants_plugin_minimg"
# What the seam alone may name.
ENGINE_WORDS = frozenset(
    ("Get", "MultiGet", "Effect", "implicitly", "concurrently", "Concurrently")
)
INTRINSICS = "pants.engine.intrinsics"
SEAM_HALVES = ("_by_get", "_by_name")

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


# --- Imports --------------------------------------------------------------------------------------


def engine_words(source: str) -> list[str]:
    """What a module outside the seam says that the seam alone may say."""
    tree = ast.parse(source)
    findings = [
        f"{line}: {text}" for node in ast.walk(tree) for line, text in _forbidden_import(node)
    ]
    aliases = set(_aliases_of_pants(tree))
    from_pants = set(_names_of_pants(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ENGINE_WORDS:
            if _root(node) in aliases:
                findings.append(f"{node.lineno}: {ast.unparse(node)} is the seam's alone")
        elif isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            if _root(node.value.func) in aliases | from_pants:
                call = ast.unparse(node.value.func)
                findings.append(f"{node.lineno}: {call} is awaited outside the seam")
        elif isinstance(node, ast.Call) and _root(node.func) in ("importlib", "__import__"):
            findings.append(f"{node.lineno}: an import by text, which no check here sees")
    return findings


def _forbidden_import(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name == INTRINSICS:
                yield node.lineno, f"{alias.name} is the seam's alone"
    if not isinstance(node, ast.ImportFrom):
        return
    module = node.module or ""
    ours = node.level > 0 or module.split(".")[0] in ("pants", PACKAGE)
    for alias in node.names:
        name = f"{module}.{alias.name}"
        if module == INTRINSICS or name == INTRINSICS:
            yield node.lineno, f"{name} is the seam's alone"
        elif ours and alias.name in ENGINE_WORDS:
            yield node.lineno, f"{name} is the seam's alone"
        elif ours and alias.name == "*":
            yield node.lineno, f"import * of {module}"
        elif ours and any(half in name.split(".") for half in SEAM_HALVES):
            yield node.lineno, f"{name} is for the seam's own __init__"


def _aliases_of_pants(tree: ast.AST) -> Iterator[str]:
    """The names by which modules of Pants may be reached (`import pants.engine.rules as r`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "pants":
                    yield alias.asname or "pants"
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").split(".")[0] == "pants":
                yield from (a.asname or a.name for a in node.names if a.name.islower())
            elif node.module == PACKAGE:
                yield from (a.asname or a.name for a in node.names if a.name in SEAM_HALVES)


def _names_of_pants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pants":
            yield from (alias.asname or alias.name for alias in node.names)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def bundler_imports(source: str, place: tuple[str, ...]) -> list[str]:
    """Imports of the bundler that reach out of it; `place` is the module's folder."""
    findings = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = [PACKAGE, *place]
            prefix = above[: len(above) - node.level + 1] if node.level else []
            module = ".".join([*prefix, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "pants" or (parts[0] == PACKAGE and parts[1:2] != ["bundler"]):
                findings.append(f"{node.lineno}: the bundler imports {name}")
    return findings


def late_helpers(source: str) -> list[str]:
    """Plain `async def`s that a rule calls, maybe through others, before they are defined.

    A rule is read when its decorator runs: 2.17 overlooks such a helper, and 2.33 takes it for a
    rule, which it isn't.
    """
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    findings = []
    for rule in functions.values():
        if not _is_rule(rule):
            continue
        seen: set[str] = set()
        todo = [rule]
        while todo:
            for node in ast.walk(todo.pop()):
                name = node.func.id if _is_plain_call(node) else ""  # type: ignore[attr-defined]
                helper = functions.get(name)
                if helper is None or name in seen or _is_rule(helper):
                    continue
                seen.add(name)
                todo.append(helper)
                if helper.lineno > rule.lineno:
                    findings.append(f"{helper.lineno}: {name} is called by {rule.name}, above it")
    return findings


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _is_rule(function: Function) -> bool:
    names = {ast.unparse(d).partition("(")[0].rpartition(".")[2] for d in function.decorator_list}
    return bool(names & {"rule", "goal_rule"})


# --- The two halves -------------------------------------------------------------------------------


def differences(one: str, other: str) -> list[str]:
    """How the public names of two modules differ; those that are the same aren't listed."""
    first, second = _public(one), _public(other)
    return [
        f"{name}: {first.get(name, 'is not there')} / {second.get(name, 'is not there')}"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def _public(source: str) -> dict[str, str]:
    """Each name of `__all__`, as it is declared."""
    tree = ast.parse(source)
    declared: dict[str, str] = {}
    exported: list[str] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") and not _is_rule(node):
                declared[node.name] = _declaration(node)
        elif isinstance(node, ast.ClassDef):
            declared[node.name] = f"class {node.name}"
        elif isinstance(node, ast.ImportFrom):
            # Where it comes from may differ: that is what the seam hides.
            declared.update({a.asname or a.name: "imported" for a in node.names})
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            exported = list(ast.literal_eval(node.value))
        elif isinstance(node, ast.Assign):
            declared.update({ast.unparse(target): "a value" for target in node.targets})
    own = {name for name, text in declared.items() if "def " in text or text.startswith("class ")}
    found = {name: declared.get(name, "exported and not there") for name in exported}
    return {**found, **{name: "not exported" for name in own - set(exported)}}


def _declaration(node: Function) -> str:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{kind} {node.name}({ast.unparse(node.args)}){returns}"


# --- The language ---------------------------------------------------------------------------------

REMOVED_MODULES = frozenset(
    # 3.10, 3.12, 3.13
    "formatter parser symbol asynchat asyncore distutils imp smtpd aifc audioop cgi cgitb chunk"
    " crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd sunau"
    " telnetlib uu xdrlib".split()
)
# Names that 3.9 has and 3.14 has no more, or of which the meaning changed.
REMOVED_NAMES = frozenset(
    "ast.Num ast.Str ast.Bytes ast.NameConstant ast.Ellipsis asyncio.coroutine"
    " asyncio.get_child_watcher asyncio.set_child_watcher collections.Callable"
    " collections.Iterable collections.Mapping collections.Sequence configparser.SafeConfigParser"
    " importlib.find_loader inspect.formatargspec inspect.getargspec locale.resetlocale"
    " os.popen2 pkgutil.find_loader pkgutil.get_loader pkgutil.ImpImporter random.jumpahead"
    " sqlite3.version sqlite3.version_info ssl.match_hostname ssl.wrap_socket"
    " tempfile.template typing.io typing.re unittest.makeSuite unittest.findTestCases"
    " urllib.request.URLopener urllib.request.FancyURLopener".split()
)


def language(source: str) -> list[str]:
    """What isn't valid, or doesn't mean the same, on every CPython from 3.9 to 3.14."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an invalid escape sequence, `is` with a literal
        try:
            tree = ast.parse(source, feature_version=(3, 9))
            compile(source, "source", "exec", dont_inherit=True)
        except (SyntaxError, Warning) as error:
            return [f"{getattr(error, 'lineno', 0)}: {error}"]
    checks = (_imports_removed, _jumps, _annotations, _changed_calls)
    return [f"{line}: {text}" for check in checks for line, text in check(tree)]


def _imports_removed(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in REMOVED_NAMES:
            yield node.lineno, f"{ast.unparse(node)} is not in every Python from 3.9 to 3.14"
        for name in names:
            if name.split(".")[0] in REMOVED_MODULES or name in REMOVED_NAMES:
                yield node.lineno, f"{name} is not in every Python from 3.9 to 3.14"


def _jumps(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A warning since 3.14 (PEP 765)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            for statement in node.finalbody:
                yield from _jump(statement, in_loop=False)


def _jump(node: ast.AST, *, in_loop: bool) -> Iterator[tuple[int, str]]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    loops = in_loop or isinstance(node, (ast.For, ast.AsyncFor, ast.While))
    if isinstance(node, ast.Return) or (
        isinstance(node, (ast.Break, ast.Continue)) and not in_loop
    ):
        yield node.lineno, f"{type(node).__name__.lower()} in a finally block"
    for child in ast.iter_child_nodes(node):
        yield from _jump(child, in_loop=loops)


def _annotations(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """3.9 evaluates annotations at once, 3.14 when asked for them: only as text are they alike, or
    where both can make types of them."""
    future = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        annotation = _annotation(node)
        if annotation is not None:
            inside.update(ast.walk(annotation))
            if not future and any(isinstance(part, ast.BinOp) for part in ast.walk(annotation)):
                yield (
                    annotation.lineno,
                    "an annotation with | without `from __future__ import annotations`",
                )
        if isinstance(node, ast.Attribute) and node.attr == "__annotations__":
            yield node.lineno, "__annotations__ is not the same in 3.9 and 3.14"
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and node not in inside:
            if any(_is_type(side) for side in (node.left, node.right)):
                yield node.lineno, "a union of types by | at run time"


def _annotation(node: ast.AST) -> Optional[ast.expr]:
    if isinstance(node, (ast.arg, ast.AnnAssign)):
        return node.annotation
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.returns
    return None


def _is_type(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None
    return isinstance(node, ast.Name) and node.id in ("bool", "bytes", "dict", "int", "list", "str")


def _changed_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "extractall":
                if not any(keyword.arg in ("filter", None) for keyword in node.keywords):
                    yield node.lineno, "extractall without filter= extracts otherwise in 3.14"
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                value = item.value if isinstance(item, ast.Assign) else None
                if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("partial"):
                    yield item.lineno, "a partial in a class is a method in 3.14"
