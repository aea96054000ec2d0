"""`run` of a `minimal_docker_index`: the image of it that is for this machine."""

from __future__ import annotations

from dataclasses import dataclass

from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior, RunRequest
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.architectures import PLATFORMS
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.goals.run import not_for_this_machine, runnable
from pants_plugin_minimg.index_target import ImagesField
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.target_types import ExtraRunArgsField
from pants_plugin_minimg.util_rules import host
from pants_plugin_minimg.util_rules.products import images


@dataclass(frozen=True)
class MinimalDockerIndexRunFieldSet(RunFieldSet):
    required_fields = (ImagesField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    images: ImagesField
    extra_run_args: ExtraRunArgsField


@rule(desc="Get an image of an index ready to run", level=LogLevel.DEBUG)
async def run_minimal_docker_index(
    field_set: MinimalDockerIndexRunFieldSet, options: MinimgSubsystem, access: host.HostAccess
) -> RunRequest:
    (targets,) = await engine.resolve_all([field_set.images.to_unparsed_address_inputs()])
    packages = await engine.build_packages(
        [MinimalDockerImageFieldSet.create(target) for target in targets]
    )
    own = PLATFORMS[access.architecture][1]
    there = []
    arguments = (*options.run_args, *(field_set.extra_run_args.value or ()))
    for built in packages:
        for part in images(built):
            there.append(part.architecture)
            if part.architecture == own:
                return await runnable(part, built.digest, str(field_set.address), arguments, access)
    raise not_for_this_machine(str(field_set.address), there, own)


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), *MinimalDockerIndexRunFieldSet.rules()]
