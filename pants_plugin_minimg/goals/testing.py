"""`test` of a `minimal_docker_image_test`: the bundler runs the image, this says what of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pants.core.goals.test import ShowOutput, TestFieldSet, TestRequest, TestResult, TestSubsystem
from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Target
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg import target_types as fields
from pants_plugin_minimg import testing_target as tests
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet, for_architecture
from pants_plugin_minimg.goals.run import for_this_machine
from pants_plugin_minimg.subsystems.bundler import BundlerError, set_up_bundler
from pants_plugin_minimg.subsystems.testing import MinimgTestSubsystem, Unavailable
from pants_plugin_minimg.util_rules import executables, host, isolation
from pants_plugin_minimg.util_rules.closure import document
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MinimalDockerImageTestFieldSet(TestFieldSet):
    required_fields = (tests.TestedImageField,)

    image: tests.TestedImageField
    args: tests.TestArgsField
    stdin: tests.TestStdinField
    env: tests.TestEnvField
    expected_exit_code: tests.ExpectedExitCodeField
    expected_stdout_regex: tests.ExpectedStdoutField
    expected_stderr_regex: tests.ExpectedStderrField
    http: tests.HttpField
    cases: tests.CasesField
    mounts: tests.MountsField
    read_only: tests.ReadOnlyField
    trace: tests.TraceField
    timeout: tests.TimeoutField
    environment: engine.EnvironmentField


class MinimalDockerImageTestRequest(TestRequest):
    tool_subsystem = MinimgTestSubsystem
    field_set_type = MinimalDockerImageTestFieldSet


def request(
    field_set: MinimalDockerImageTestFieldSet, mounted: Mapping[str, str]
) -> dict[str, Any]:
    """What `trial` reads. `mounted`: path in the image -> path in the sandbox."""
    more = {
        "timeout": f"{field_set.timeout.value}s",
        "read_only": field_set.read_only.value,
        "trace": field_set.trace.value,
        "mounts": dict(mounted),
    }
    return {"version": 1, "cases": [{**case.to_json(), **more} for case in tests.cases(field_set)]}


def image_field_set(
    address: str, target: Target, access: host.HostAccess
) -> MinimalDockerImageFieldSet:
    """The image as a tar; of several architectures that of this machine.

    Raises BundlerError MINIMG-E020 for another target, E041 where none is for this machine.
    """
    if not MinimalDockerImageFieldSet.is_applicable(target):
        error = MinimgError(
            "MINIMG-E020",
            address,
            f"`image` names {target.address}, a `{target.alias}`",
            "Name a `minimal_docker_image`.",
        )
        raise BundlerError(str(error))
    made = MinimalDockerImageFieldSet.create(target)
    if made.architectures.value:
        made = for_architecture(made, for_this_machine(address, made.architectures.value, access))
    return replace(made, format=fields.FormatField(fields.FormatField.TAR, made.address))


def _mount_wishes(field_set: MinimalDockerImageTestFieldSet) -> Iterator[executables.Wish]:
    for path, address in (field_set.mounts.value or {}).items():
        yield executables.Wish(
            str(field_set.address),
            field_set.mounts.alias,
            field_set.mounts.inputs_of(address),
            "file",
            path=path,
        )


async def _mounted(
    field_set: MinimalDockerImageTestFieldSet,
) -> tuple[dict[str, str], list[Digest]]:
    """Where in the sandbox each mount is, and the files. One file is that file, unless the path
    ends in a slash."""
    found: dict[str, str] = {}
    trees = await executables.trees(tuple(_mount_wishes(field_set)))
    entries = await engine.digest_entries_all([tree.digest for tree in trees])
    for path, tree, files in zip(field_set.mounts.value or {}, trees, entries):
        names = [entry.path for entry in files if isinstance(entry, FileEntry)]
        alone = len(names) == 1 and not path.endswith("/")
        found[path.rstrip("/")] = names[0] if alone else str(tree.entry["root"])
    return found, [tree.digest for tree in trees]


@rule(desc="Run a minimal image as a test", level=LogLevel.DEBUG)
async def test_minimal_docker_image(
    batch: MinimalDockerImageTestRequest.Batch[MinimalDockerImageTestFieldSet, Any],
    goal: TestSubsystem,
    options: MinimgTestSubsystem,
    access: host.HostAccess,
    search_path: engine.StandardSearchPath,
) -> TestResult:
    field_set = batch.single_element
    address = str(field_set.address)
    (targets,) = await engine.resolve_all([field_set.image.to_unparsed_address_inputs()])
    (built,) = await engine.build_packages([image_field_set(address, targets[0], access)])
    image = next(one for one in built.artifacts if isinstance(one, BuiltMinimalImage))
    assert image.relpath is not None
    mounted, trees = await _mounted(field_set)
    cases = await engine.create_digests(
        [CreateDigest([document("cases.json", request(field_set, mounted))])]
    )
    bundler = await set_up_bundler(access.python)
    _, result = await isolation.run(
        bundler,
        search_path,
        (
            "trial",
            f"--image={image.relpath}",
            "--cases=cases.json",
            *await isolation.emulator(search_path, image.architecture),
            *(await isolation.tracer(search_path) if field_set.trace.value else ()),
        ),
        description=f"Run {targets[0].address} for {address}",
        inputs=await engine.merge_all((built.digest, *cases, *trees)),
        scope=ProcessCacheScope.PER_SESSION if goal.force else ProcessCacheScope.SUCCESSFUL,
    )
    if result.exit_code == isolation.UNUSABLE and options.unavailable is not Unavailable.FAIL:
        logger.warning(f"{address} was skipped: {result.stdout.decode().strip()}")
        return TestResult.no_tests_found(field_set.address, goal.output)
    # What a trace tells is asked for: it is shown when all is well, too.
    told = field_set.trace.value and goal.output is not ShowOutput.NONE
    show = ShowOutput.ALL if told else goal.output
    return engine.test_result(result, field_set.address, show)


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), *MinimalDockerImageTestRequest.rules()]
