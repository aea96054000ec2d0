"""`minimg-why`: why each path is in an image, and what it brings."""

from __future__ import annotations

from collections.abc import Sequence

from pants.core.goals.package import BuiltPackage, PackageFieldSet
from pants.engine.console import Console
from pants.engine.fs import CreateDigest, FileEntry
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import collect_rules, goal_rule
from pants.engine.target import Targets
from pants.option.option_types import ArgsListOption, BoolOption
from pants.util.strutil import softwrap

from pants_plugin_minimg import engine
from pants_plugin_minimg.goals import named
from pants_plugin_minimg.subsystems.bundler import process, set_up_bundler, succeeded
from pants_plugin_minimg.util_rules import host, products


class MinimgWhySubsystem(GoalSubsystem):
    name = "minimg-why"
    help = softwrap(
        """
        Why paths are in a minimal image: `minimg-why //app:image` shows who brings what, the
        largest first; `minimg-why //app:image -- libz.so.1` the chain of reasons of one.
        """
    )

    args = ArgsListOption(
        example="libz.so.1",
        passthrough=True,
        extra_help="Paths of the image, file names, or names that programs ask for.",
    )
    json = BoolOption(
        default=False,
        help=softwrap(
            """
            Whether to print JSON: the chain, the size and what it brings, of each path.

            Example: `minimg-why --json //app:image`.
            """
        ),
    )


class MinimgWhy(Goal):
    subsystem_cls = MinimgWhySubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


def _plans(
    field_sets: Sequence[PackageFieldSet], packages: Sequence[BuiltPackage]
) -> list[tuple[str, FileEntry]]:
    """Of each image, those of an index too, what it is called and its plan."""
    found = []
    for field_set, built in zip(field_sets, packages):
        parts = [image for image in products.images(built) if image.plan]
        for part in parts:
            platform = f" for {part.architecture}" if len(parts) > 1 else ""
            assert part.plan is not None
            found.append((f"{field_set.address}{platform}", part.plan))
    return found


@goal_rule
async def why(
    console: Console, targets: Targets, options: MinimgWhySubsystem, access: host.HostAccess
) -> MinimgWhy:
    wanted = named.images(targets, "minimg-why", "minimg-why //app:image")
    plans = _plans(wanted, await engine.build_packages(wanted))
    inputs = await engine.create_digests(
        [CreateDigest([FileEntry("plan.json", plan.file_digest)]) for _, plan in plans]
    )
    bundler = await set_up_bundler(access.python)
    steps = [
        process(
            bundler,
            ("why", "--plan=plan.json", *(("--json",) if options.json else ()), *options.args),
            description=f"Say why paths are in {title}",
            inputs=digest,
        )
        for (title, _), digest in zip(plans, inputs)
    ]
    results = await engine.execute_all(steps)
    succeeded(steps, results)
    for (title, _), result in zip(plans, results):
        if len(plans) > 1 and not options.json:
            console.print_stdout(f"{title}:")
        console.write_stdout(result.stdout.decode("utf-8", "replace"))
    return MinimgWhy(exit_code=0)


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
