"""A small half of a seam, and a table to check it against: the checker's own tests use them."""

from __future__ import annotations

from typing import Any

PROCESS = "pants.engine.process.Process"
RESULT = "pants.engine.process.FallibleProcessResult"
RAISING = "pants.engine.process.ProcessResult"
DIGEST = "pants.engine.fs.Digest"
MERGE = "pants.engine.fs.MergeDigests"
TARGETS = "pants.engine.target.Targets"
UNEXPANDED = "pants.engine.target.UnexpandedTargets"
INPUTS = "pants.engine.addresses.UnparsedAddressInputs"
REQUEST = "pants.engine.target.WrappedTargetRequest"
WRAPPED = "pants.engine.target.WrappedTarget"
ENVIRONMENT = "pants.engine.environment.EnvironmentName"
COLLECTION = "pants.engine.collection.Collection"

EXECUTE = "pants.engine.intrinsics.execute_process"
RAISE = "pants.engine.process.execute_process_or_raise"
MERGE_RULE = "pants.engine.intrinsics.merge_digests"
INTERACTIVE = "pants.engine.intrinsics.run_interactive_process"
RESOLVE = "pants.engine.internals.graph.resolve_targets"
RESOLVE_ONE = "pants.engine.internals.graph.resolve_target"
INTERACTIVE_PROCESS = "pants.engine.process.InteractiveProcess"


def _rule(signature: str) -> dict[str, Any]:
    return {"kind": "rule", "signature": signature}


def _class(signature: str, *ancestors: str, **members: str) -> dict[str, Any]:
    return {
        "kind": "class",
        "signature": signature,
        "ancestors": list(ancestors),
        "members": members,
    }


def table() -> dict[str, Any]:
    """A new copy of the table, as `pants_api.json` holds one for a release."""
    return {
        "names": {"pants.engine.process.ProcessEnvironment": ENVIRONMENT},
        "ambient": {ENVIRONMENT: True},
        "definitions": {
            PROCESS: _class("(argv: Iterable[str], *, description: str)"),
            INTERACTIVE_PROCESS: _class("(argv: Iterable[str])"),
            RESULT: _class("()", exit_code="int", output_digest=DIGEST),
            RAISING: _class("()"),
            DIGEST: _class("(fingerprint: str, length: int)"),
            MERGE: _class(f"(digests: Iterable[{DIGEST}])"),
            TARGETS: _class("(iterable=..., /)", COLLECTION),
            UNEXPANDED: _class("(iterable=..., /)", COLLECTION),
            INPUTS: _class("(values: Iterable[str], *, owning_address: str | None)"),
            REQUEST: _class("(address: str, description_of_origin: str)"),
            WRAPPED: _class("()"),
            ENVIRONMENT: _class("(value: str)"),
            EXECUTE: _rule(f"(process: {PROCESS}, environment: {ENVIRONMENT}) -> {RESULT}"),
            RAISE: _rule(f"(result: {RESULT}, environment: {ENVIRONMENT}) -> {RAISING}"),
            MERGE_RULE: _rule(f"(merge_digests: {MERGE}) -> {DIGEST}"),
            INTERACTIVE: {
                "kind": "async function",
                "signature": f"(process: {INTERACTIVE_PROCESS}) -> {RAISING}",
            },
            RESOLVE: _rule(f"(targets: {UNEXPANDED}) -> {TARGETS}"),
            "pants.engine.internals.graph.unexpanded": _rule(f"(x: {INPUTS}) -> {UNEXPANDED}"),
            RESOLVE_ONE: _rule(f"(request: {REQUEST}, environment: {ENVIRONMENT}) -> {WRAPPED}"),
            "pants.engine.rules.implicitly": {"kind": "function", "signature": "(*args)"},
            "pants.engine.rules.concurrently": {"kind": "function", "signature": "(*args)"},
        },
    }


IMPORTS = """\
from __future__ import annotations

from collections.abc import Iterable, Sequence

from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.environment import EnvironmentName
from pants.engine.fs import Digest, MergeDigests
from pants.engine.internals.graph import resolve_target, resolve_targets
from pants.engine.intrinsics import execute_process, merge_digests, run_interactive_process
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    Process,
    ProcessResult,
    execute_process_or_raise,
)
from pants.engine.rules import concurrently, implicitly
from pants.engine.target import Targets, WrappedTarget, WrappedTargetRequest
"""

SEAM = (
    IMPORTS
    + """

async def execute(process: Process) -> FallibleProcessResult:
    return await execute_process(process, **implicitly())


async def execute_all(processes: Sequence[Process]) -> tuple[ProcessResult, ...]:
    return await concurrently(
        execute_process_or_raise(**implicitly({process: Process})) for process in processes
    )


async def output(process: Process) -> Digest:
    result = await execute(process)
    return result.output_digest


async def merge(digests: Iterable[Digest]) -> Digest:
    return await merge_digests(MergeDigests(digests))


async def both(one: Process, other: Process) -> tuple[FallibleProcessResult, ProcessResult]:
    return await concurrently(
        execute_process(one, **implicitly()),
        execute_process_or_raise(**implicitly({other: Process})),
    )


async def resolve(inputs: UnparsedAddressInputs) -> Targets:
    return await resolve_targets(**implicitly({inputs: UnparsedAddressInputs}))


async def resolve_one(address: str) -> WrappedTarget:
    return await resolve_target(
        WrappedTargetRequest(address, description_of_origin="a field"), **implicitly()
    )


async def execute_in(process: Process, name: EnvironmentName) -> FallibleProcessResult:
    return await execute_process(process, **implicitly({name: EnvironmentName}))


async def interactive(process: InteractiveProcess) -> ProcessResult:
    return await run_interactive_process(process)
"""
)
