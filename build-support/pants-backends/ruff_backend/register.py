"""`ruff format` for `fmt` and `ruff check` for `lint`.

Pants 2.17.1's own ruff backend knows neither: it calls `ruff` without a subcommand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pants.backend.python.lint.ruff import skip_field, subsystem
from pants.backend.python.lint.ruff.subsystem import Ruff, RuffFieldSet
from pants.backend.python.util_rules import pex
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules import config_files
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.core.util_rules.partitions import PartitionerType
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.fs import Digest, MergeDigests, Snapshot
from pants.engine.process import FallibleProcessResult, ProcessResult
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize


class RuffFormatRequest(FmtTargetsRequest):
    field_set_type = RuffFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION


class RuffCheckRequest(LintTargetsRequest):
    field_set_type = RuffFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION


async def _process(ruff: Ruff, command: str, snapshot: Snapshot) -> VenvPexProcess:
    tool, config = await MultiGet(
        Get(VenvPex, PexRequest, ruff.to_pex_request()),
        Get(ConfigFiles, ConfigFilesRequest, ruff.config_request(snapshot.dirs)),
    )
    digest = await Get(Digest, MergeDigests((snapshot.digest, config.snapshot.digest)))
    return VenvPexProcess(
        tool,
        argv=(command, "--no-cache", *ruff.args, *snapshot.files),
        input_digest=digest,
        output_files=snapshot.files,
        description=f"Run ruff {command} on {pluralize(len(snapshot.files), 'file')}.",
        level=LogLevel.DEBUG,
    )


@rule(desc="Format with ruff", level=LogLevel.DEBUG)
async def ruff_format(request: RuffFormatRequest.Batch, ruff: Ruff) -> FmtResult:
    process = await _process(ruff, "format", request.snapshot)
    result = await Get(ProcessResult, VenvPexProcess, process)
    return await FmtResult.create(request, result)


@rule(desc="Lint with ruff", level=LogLevel.DEBUG)
async def ruff_check(request: RuffCheckRequest.Batch[RuffFieldSet, Any], ruff: Ruff) -> LintResult:
    sources = await Get(
        SourceFiles, SourceFilesRequest(field_set.source for field_set in request.elements)
    )
    process = await _process(ruff, "check", sources.snapshot)
    result = await Get(FallibleProcessResult, VenvPexProcess, process)
    return LintResult.create(request, result)


def rules() -> Iterable[Rule | UnionRule]:
    return [
        *collect_rules(),
        *RuffFormatRequest.rules(),
        *RuffCheckRequest.rules(),
        *subsystem.rules(),
        *skip_field.rules(),
        *config_files.rules(),
        *pex.rules(),
    ]
