"""Engine calls as Pants 2.29 and later take them: rules called by name."""

# The Pants that this repository is checked with has none of these names; a test compares each of
# them with tables made from the sources of the versions that do.
# mypy: ignore-errors

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from pants.backend.python.util_rules.pex import Pex, PexRequest, create_pex
from pants.core.environments.subsystems import EnvironmentsSubsystem
from pants.core.environments.target_types import EnvironmentField, EnvironmentTarget
from pants.core.goals.package import (
    BuiltPackage,
    EnvironmentAwarePackageRequest,
    PackageFieldSet,
    environment_aware_package,
)
from pants.core.goals.test import ShowOutput, TestResult
from pants.core.util_rules.env_vars import environment_vars_subset
from pants.core.util_rules.system_binaries import (
    BinaryPathRequest,
    BinaryPaths,
    SystemBinariesSubsystem,
    find_binary,
)
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.download_file import download_file
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
from pants.engine.internals.graph import find_valid_field_sets, hydrate_sources, resolve_targets
from pants.engine.intrinsics import (
    add_prefix,
    create_digest,
    execute_process,
    get_digest_contents,
    get_digest_entries,
    merge_digests,
    path_globs_to_digest,
    run_interactive_process,
)
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    Process,
    ProcessCacheScope,
)
from pants.engine.rules import (
    _uncacheable_rule,
    collect_rules,
    concurrently,
    implicitly,
    rule,
)
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


def caller(
    rule_of_one: Callable[[_Asked], Coroutine[Any, Any, _Made]],
) -> Callable[[_Asked], Awaitable[_Made]]:
    """How a helper has a rule of ours run that takes one thing: once, however many ask the same."""
    return rule_of_one


async def execute_all(processes: Sequence[Process]) -> tuple[FallibleProcessResult, ...]:
    return await concurrently(execute_process(process, **implicitly()) for process in processes)


async def build_pex(request: PexRequest, environment: EnvironmentName) -> Pex:
    """By pex as it runs in `environment`, whatever the caller's is."""
    return await create_pex(**implicitly({request: PexRequest, environment: EnvironmentName}))


async def create_digests(requests: Sequence[CreateDigest]) -> tuple[Digest, ...]:
    return await concurrently(create_digest(request) for request in requests)


async def merge_all(digests: Iterable[Digest]) -> Digest:
    return await merge_digests(MergeDigests(digests))


async def add_prefixes(requests: Sequence[AddPrefix]) -> tuple[Digest, ...]:
    return await concurrently(add_prefix(request) for request in requests)


async def digest_entries_all(digests: Sequence[Digest]) -> tuple[DigestEntries, ...]:
    return await concurrently(get_digest_entries(digest) for digest in digests)


async def digest_contents_all(digests: Sequence[Digest]) -> tuple[DigestContents, ...]:
    return await concurrently(get_digest_contents(digest) for digest in digests)


async def digest_of_files(paths: Sequence[str]) -> Digest:
    """Files of the repository, those that are there."""
    return await path_globs_to_digest(PathGlobs(paths))


async def download_all(files: Sequence[DownloadFile]) -> tuple[Digest, ...]:
    return await concurrently(download_file(file, **implicitly()) for file in files)


async def attempt_downloads(files: Sequence[DownloadFile]) -> tuple[Attempted, ...]:
    """How each ended; side by side, and again in each run of Pants."""
    return await concurrently(attempt_download(Attempt(file)) for file in files)


def local_scope(remote_cache_write: bool) -> ProcessCacheScope:
    """Of what tells of this machine."""
    return ProcessCacheScope.LOCAL_SUCCESSFUL


async def look(look: Look) -> Looked:
    """Again in each run of Pants, once however many ask the same."""
    return await look_at_machine(look)


async def environment_variables(names: Sequence[str]) -> EnvironmentVars:
    return await environment_vars_subset(EnvironmentVarsRequest(names), **implicitly())


async def resolve_all(requests: Sequence[UnparsedAddressInputs]) -> tuple[Targets, ...]:
    return await concurrently(
        resolve_targets(**implicitly({request: UnparsedAddressInputs})) for request in requests
    )


async def package_field_sets(targets: Sequence[Target]) -> FieldSetsPerTarget:
    return await find_valid_field_sets(
        FieldSetsPerTargetRequest(PackageFieldSet, targets), **implicitly()
    )


async def build_packages(field_sets: Sequence[PackageFieldSet]) -> tuple[BuiltPackage, ...]:
    """Each in the environment that its own target names."""
    return await concurrently(
        environment_aware_package(EnvironmentAwarePackageRequest(field_set))
        for field_set in field_sets
    )


async def hydrate_all(requests: Sequence[HydrateSourcesRequest]) -> tuple[HydratedSources, ...]:
    return await concurrently(hydrate_sources(request, **implicitly()) for request in requests)


async def run_interactively(process: InteractiveProcess) -> int:
    """Its exit code. In goals alone; it has the terminal for itself meanwhile."""
    result = await run_interactive_process(process)
    return result.exit_code


def test_result(result: FallibleProcessResult, address: Address, show: ShowOutput) -> TestResult:
    return TestResult.from_fallible_process_result((result,), address, show)


async def find_program(request: BinaryPathRequest) -> BinaryPaths:
    return await find_binary(request, **implicitly())


# Uncacheable: what failed in one run may do in the next.
@_uncacheable_rule
async def attempt_download(attempt: Attempt) -> Attempted:
    try:
        await download_file(attempt.file, **implicitly())
    except Exception as error:
        return Attempted(" ".join(str(error).split()))
    return Attempted(None)


# Uncacheable: the engine knows nothing of what changes outside the repository.
@_uncacheable_rule
async def look_at_machine(look: Look) -> Looked:
    """Raises MinimgError MINIMG-E022 while files keep changing."""
    return Looked(fingerprint.look(look.consulted))


@rule
async def standard_search_path(
    system_binaries: SystemBinariesSubsystem.EnvironmentAware,
) -> StandardSearchPath:
    return StandardSearchPath(tuple(system_binaries.system_binary_paths))


def rules():
    return collect_rules()
