"""Engine calls as Pants 2.17 takes them: `Get` and `MultiGet`, the types spelled out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, get_type_hints

from pants.backend.python.util_rules.pex import Pex, PexRequest
from pants.core.goals.package import (
    BuiltPackage,
    EnvironmentAwarePackageRequest,
    PackageFieldSet,
)
from pants.core.goals.test import ShowOutput, TestResult
from pants.core.util_rules.environments import (
    EnvironmentField,
    EnvironmentsSubsystem,
    EnvironmentTarget,
)
from pants.core.util_rules.system_binaries import SEARCH_PATHS, BinaryPathRequest, BinaryPaths
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.environment import EnvironmentName
from pants.engine.fs import (
    AddPrefix,
    CreateDigest,
    Digest,
    DigestContents,
    DigestEntries,
    DownloadFile,
    MergeDigests,
    PathGlobs,
)
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    InteractiveProcessResult,
    Process,
    ProcessCacheScope,
)
from pants.engine.rules import Effect, Get, MultiGet, _uncacheable_rule, collect_rules, rule
from pants.engine.target import (
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    HydratedSources,
    HydrateSourcesRequest,
    Target,
    Targets,
)

from pants_plugin_minimg.bundler.sysroots import fingerprint
from pants_plugin_minimg.engine._downloads import Attempt, Attempted
from pants_plugin_minimg.engine._looks import Look, Looked
from pants_plugin_minimg.engine._search_path import StandardSearchPath

__all__ = [
    "EnvironmentField",
    "EnvironmentTarget",
    "EnvironmentsSubsystem",
    "Look",
    "Looked",
    "StandardSearchPath",
    "add_prefixes",
    "attempt_downloads",
    "build_packages",
    "build_pex",
    "caller",
    "create_digests",
    "digest_contents_all",
    "digest_entries_all",
    "digest_of_files",
    "download_all",
    "environment_variables",
    "execute_all",
    "find_program",
    "hydrate_all",
    "local_scope",
    "look",
    "merge_all",
    "package_field_sets",
    "resolve_all",
    "rules",
    "run_interactively",
    "test_result",
]

_Asked = TypeVar("_Asked")
_Made = TypeVar("_Made")

# In Pants 2.17 every collection has the hash of `typing.Tuple` itself, so that the engine compares
# each request with all earlier ones, which took half the time of a thousand unchanged images.
CreateDigest.__hash__ = tuple.__hash__  # type: ignore[method-assign,assignment]


def caller(
    rule_of_one: Callable[[_Asked], Coroutine[Any, Any, _Made]],
) -> Callable[[_Asked], Awaitable[_Made]]:
    """How a helper has a rule of ours run that takes one thing: once, however many ask the same."""
    hints = get_type_hints(rule_of_one)
    made = hints.pop("return")
    (asked,) = hints.values()

    async def call(request: _Asked) -> _Made:
        return await Get(made, asked, request)

    return call


async def execute_all(processes: Sequence[Process]) -> tuple[FallibleProcessResult, ...]:
    return await MultiGet(Get(FallibleProcessResult, Process, process) for process in processes)


async def build_pex(request: PexRequest, environment: EnvironmentName) -> Pex:
    """By pex as it runs in `environment`, whatever the caller's is."""
    return await Get(Pex, {request: PexRequest, environment: EnvironmentName})


async def create_digests(requests: Sequence[CreateDigest]) -> tuple[Digest, ...]:
    return await MultiGet(Get(Digest, CreateDigest, request) for request in requests)


async def merge_all(digests: Iterable[Digest]) -> Digest:
    return await Get(Digest, MergeDigests(digests))


async def add_prefixes(requests: Sequence[AddPrefix]) -> tuple[Digest, ...]:
    return await MultiGet(Get(Digest, AddPrefix, request) for request in requests)


async def digest_entries_all(digests: Sequence[Digest]) -> tuple[DigestEntries, ...]:
    return await MultiGet(Get(DigestEntries, Digest, digest) for digest in digests)


async def digest_contents_all(digests: Sequence[Digest]) -> tuple[DigestContents, ...]:
    return await MultiGet(Get(DigestContents, Digest, digest) for digest in digests)


async def digest_of_files(paths: Sequence[str]) -> Digest:
    """Files of the repository, those that are there."""
    return await Get(Digest, PathGlobs(paths))


async def download_all(files: Sequence[DownloadFile]) -> tuple[Digest, ...]:
    return await MultiGet(Get(Digest, DownloadFile, file) for file in files)


async def attempt_downloads(files: Sequence[DownloadFile]) -> tuple[Attempted, ...]:
    """How each ended; side by side, and again in each run of Pants."""
    return await MultiGet(Get(Attempted, Attempt(file)) for file in files)


def local_scope(remote_cache_write: bool) -> ProcessCacheScope:
    """Of what tells of this machine. This Pants can keep it from a remote cache only by forgetting
    it when it ends."""
    if remote_cache_write:
        return ProcessCacheScope.PER_RESTART_SUCCESSFUL
    return ProcessCacheScope.SUCCESSFUL


async def look(look: Look) -> Looked:
    """Again in each run of Pants, once however many ask the same."""
    return await Get(Looked, Look, look)


async def environment_variables(names: Sequence[str]) -> EnvironmentVars:
    return await Get(EnvironmentVars, EnvironmentVarsRequest(names))


async def resolve_all(requests: Sequence[UnparsedAddressInputs]) -> tuple[Targets, ...]:
    return await MultiGet(Get(Targets, UnparsedAddressInputs, request) for request in requests)


async def package_field_sets(targets: Sequence[Target]) -> FieldSetsPerTarget:
    return await Get(FieldSetsPerTarget, FieldSetsPerTargetRequest(PackageFieldSet, targets))


async def build_packages(field_sets: Sequence[PackageFieldSet]) -> tuple[BuiltPackage, ...]:
    """Each in the environment that its own target names."""
    return await MultiGet(
        Get(BuiltPackage, EnvironmentAwarePackageRequest(field_set)) for field_set in field_sets
    )


async def hydrate_all(requests: Sequence[HydrateSourcesRequest]) -> tuple[HydratedSources, ...]:
    return await MultiGet(
        Get(HydratedSources, HydrateSourcesRequest, request) for request in requests
    )


async def run_interactively(process: InteractiveProcess) -> int:
    """Its exit code. In goals alone; it has the terminal for itself meanwhile."""
    result: InteractiveProcessResult = await Effect(
        InteractiveProcessResult, InteractiveProcess, process
    )
    return result.exit_code


def test_result(result: FallibleProcessResult, address: Address, show: ShowOutput) -> TestResult:
    return TestResult.from_fallible_process_result(result, address, show)


async def find_program(request: BinaryPathRequest) -> BinaryPaths:
    return await Get(BinaryPaths, BinaryPathRequest, request)


# Uncacheable: what failed in one run may do in the next.
@_uncacheable_rule
async def attempt_download(attempt: Attempt) -> Attempted:
    try:
        await Get(Digest, DownloadFile, attempt.file)
    except Exception as error:
        return Attempted(" ".join(str(error).split()))
    return Attempted(None)


# Uncacheable: the engine knows nothing of what changes outside the repository.
@_uncacheable_rule
async def look_at_machine(look: Look) -> Looked:
    """Raises MinimgError MINIMG-E022 while files keep changing."""
    return Looked(fingerprint.look(look.consulted))


@rule
async def standard_search_path() -> StandardSearchPath:
    return StandardSearchPath(tuple(SEARCH_PATHS))


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
