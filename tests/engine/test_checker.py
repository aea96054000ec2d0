"""The checker finds what it should, in a small seam and in the plugin's own."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

from tests.engine import checker, samples
from tests.engine.pants_table import Table, element


def find(source: str, content: dict[str, Any] | None = None) -> list[str]:
    return checker.check_calls(source, Table("1.0", content or samples.table()))


def body(text: str) -> str:
    return samples.IMPORTS + "\n\n" + text


def test_nothing_is_wrong_with_the_sample() -> None:
    assert find(samples.SEAM) == []
    assert checker.check_imports(samples.SEAM, Table("1.0", samples.table())) == []


def _rename_rule(content: dict[str, Any]) -> None:
    definitions = content["definitions"]
    definitions[samples.MERGE_RULE + "_now"] = definitions.pop(samples.MERGE_RULE)


def _sign(name: str, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        definition = content["definitions"][name]
        assert old in definition["signature"]
        definition["signature"] = definition["signature"].replace(old, new)

    return change


def _kind(name: str, kind: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["definitions"][name].update(kind=kind)


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["definitions"].pop(name) and None


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (_rename_rule, r"has no pants\.engine\.intrinsics\.merge_digests"),
        (_drop(samples.PROCESS), r"has no pants\.engine\.process\.Process"),
        (_drop("pants.engine.internals.graph.unexpanded"), "nothing gives .*resolve_targets its"),
        (_kind(samples.EXECUTE, "goal_rule"), "is a goal's rule"),
        (_kind(samples.EXECUTE, "async function"), r"is no rule and takes no \*\*implicitly"),
        # A parameter that is dropped, one that is new, one of another type.
        (_sign(samples.MERGE_RULE, f"merge_digests: {samples.MERGE}", ""), "has only 0 parameters"),
        (_sign(samples.MERGE_RULE, ") ->", ", more: str) ->"), r"wants more, or \*\*implicitly"),
        (_sign(samples.EXECUTE, ") ->", ", more: str) ->"), "nothing gives .* its more: str"),
        (_sign(samples.MERGE_RULE, samples.MERGE, samples.DIGEST), "takes a .*Digest as"),
        (
            _sign(samples.EXECUTE, f", environment: {samples.ENVIRONMENT}", ""),
            "has no use for a .*EnvironmentName",
        ),
        # A class's parameter that is renamed, dropped, new.
        (_sign(samples.REQUEST, "description_of_origin", "origin"), "no parameter description_of"),
        (_sign(samples.REQUEST, "description_of_origin", "origin"), "wants origin"),
        (_sign(samples.REQUEST, ", description_of_origin: str", ""), "no parameter description_of"),
        (_sign(samples.REQUEST, ")", ", more: str)"), "wants more"),
        (_sign(samples.MERGE, f"digests: Iterable[{samples.DIGEST}]", ""), "takes 0 arguments"),
        # What a call returns.
        (
            _sign(samples.MERGE_RULE, f"-> {samples.DIGEST}", f"-> {samples.RESULT}"),
            "merge returns",
        ),
        (
            lambda content: content["definitions"][samples.RESULT]["members"].clear(),
            r"has no .*Result\.output_digest",
        ),
    ],
)
def test_a_change_in_pants_is_found(change: Callable[[dict[str, Any]], None], finding: str) -> None:
    content = samples.table()
    change(content)
    assert [text for text in find(samples.SEAM, content) if re.search(finding, text)]


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        (
            "async def f(p) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly(p))",
            "the type spelled out",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly(p))",
            "the type spelled out",
        ),
        (
            "async def f(p) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly({p: Missing}))",
            "no class of Pants",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly({p: Digest}))",
            "p is no .*Digest",
        ),
        (
            "async def f(d: Digest) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly({d: Digest}))",
            "no use for a .*Digest",
        ),
        (
            "async def f(d: Digest) -> FallibleProcessResult:\n"
            "    return await execute_process(d, **implicitly())",
            "takes a .*Process as process",
        ),
        (
            "async def f(p: Process, q: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly({p: Process, q: Process}))",
            "given twice",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(process=p)",
            "by position",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(p, environment=1, **implicitly())",
            "by position",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(*[p], **implicitly())",
            r"called with \*",
        ),
        (
            "async def f() -> FallibleProcessResult:\n"
            "    return await execute_process(**implicitly())",
            "nothing gives",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(p)",
            "wants environment",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    return execute_process(p, **implicitly())",
            "neither awaited",
        ),
        (
            "async def f(ps: Sequence[Process]) -> tuple[FallibleProcessResult, ...]:\n"
            "    calls = [execute_process(p, **implicitly()) for p in ps]\n"
            "    return await concurrently(calls)",
            "neither awaited",
        ),
        (
            "async def f(p: Process) -> FallibleProcessResult:\n"
            "    run = execute_process\n    return await run(p, **implicitly())",
            "only be called",
        ),
        (
            "async def f(p: Process) -> ProcessResult:\n"
            "    return await execute_process(p, **implicitly())",
            "f returns",
        ),
        (
            "async def f(ps: Sequence[Process]) -> tuple[ProcessResult, ...]:\n"
            "    return await concurrently(execute_process(p, **implicitly()) for p in ps)",
            "f returns",
        ),
        (
            "async def f(p: Process):\n    return await execute_process(p, **implicitly())",
            "no return type",
        ),
        (
            "async def execute_process(p: Process) -> FallibleProcessResult:\n"
            "    return await execute_process(p, **implicitly())",
            "hides",
        ),
        (
            "async def f() -> Digest:\n    from pants.engine.fs import Digest as D\n"
            "    return D('', 0)",
            "inside f",
        ),
        ("if TYPE_CHECKING:\n    from pants.engine.fs import Digest", "for type checkers alone"),
        ("import pants.engine.fs", "write `from"),
        ("from pants.engine.fs import Nothing", "has no pants.engine.fs.Nothing"),
        ("from pants.engine.fs import *", r"import \*"),
        (
            "async def f(p: Process) -> Digest:\n    r = await execute_process(p, **implicitly())\n"
            "    return r.digest",
            r"has no .*FallibleProcessResult\.digest",
        ),
        (
            "async def g(p: Process) -> Digest:\n    return f(p)\n\n\n"
            "async def f(p: Process) -> Digest:\n"
            "    return (await execute_process(p, **implicitly())).output_digest",
            "f is neither awaited",
        ),
    ],
)
def test_a_wrong_call_is_found(source: str, finding: str) -> None:
    assert [text for text in find(body(source)) if re.search(finding, text)]


def test_a_missing_import_is_found() -> None:
    """Of a name that isn't imported the checker knows no class, so it says so at its use."""
    source = samples.SEAM.replace("import UnparsedAddressInputs", "import Other")
    findings = find(source)
    assert [text for text in findings if "no pants.engine.addresses.Other" in text]
    assert [text for text in findings if "UnparsedAddressInputs is no class of Pants" in text]


def test_what_comes_through_the_seam_is_known() -> None:
    source = """
from pants_plugin_minimg import engine
from pants_plugin_minimg.engine import Digest

async def f(one: engine.Process, name: engine.EnvironmentName, digest: Digest) -> None:
    result = await engine.execute(one)
    result.exit_code, result.status, name.alias, digest.hash
    engine.Process(1, "x")
"""
    content = samples.table()
    findings = checker.check_imports(source, Table("1.0", content), samples.SEAM)
    for missing in ("Result.status:", "EnvironmentName.alias:", "Digest.hash:", "description"):
        assert [text for text in findings if missing in text]
    assert not [text for text in findings if "exit_code" in text]


def test_a_position_with_another_name_is_found() -> None:
    other = samples.table()
    _sign(samples.MERGE_RULE, "merge_digests", "digests")(other)
    tables = [Table("1.0", samples.table()), Table("2.0", other)]
    (finding,) = checker.check_agreement(samples.SEAM, tables)
    assert "merge_digests" in finding and "2.0" in finding
    assert checker.check_agreement(samples.SEAM, tables[:1] * 2) == []


@pytest.mark.parametrize(
    ("type_", "inner"),
    [
        ("Iterable[a.B]", "a.B"),
        ("tuple[a.B, ...]", "a.B"),
        ("tuple[a.B, a.C]", ""),
        ("list[str]", "str"),
        ("a.B", ""),
        ("dict[str, a.B]", ""),
        ("", ""),
    ],
)
def test_element(type_: str, inner: str) -> None:
    assert element(type_) == inner


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        (samples.DIGEST, samples.DIGEST, True),
        (samples.DIGEST, samples.PROCESS, False),
        (samples.DIGEST, f"{samples.DIGEST} | None", True),
        (samples.DIGEST, f"Optional[{samples.PROCESS}]", False),
        ("str", samples.DIGEST, False),
        (samples.DIGEST, "str", False),
        (samples.DIGEST, "Any", True),
        (samples.DIGEST, "pants.engine.target._T", True),
        (f"list[{samples.DIGEST}]", f"Iterable[{samples.DIGEST}]", True),
        (f"list[{samples.DIGEST}]", f"Iterable[{samples.PROCESS}]", False),
        ("", samples.DIGEST, True),
    ],
)
def test_fits(given: str, wanted: str, fits: bool) -> None:
    assert Table("1.0", samples.table()).fits(given, wanted) is fits
