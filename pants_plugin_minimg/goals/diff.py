"""`minimg-diff`: what two images differ in, or an image and what it was at another revision."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from enum import Enum

from pants.base.build_environment import get_buildroot
from pants.core.goals.package import BuiltPackage, PackageFieldSet
from pants.engine.console import Console
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.internals.session import SessionValues
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, goal_rule
from pants.engine.target import Targets
from pants.option.option_types import ArgsListOption, EnumOption, StrOption
from pants.util.strutil import softwrap

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.goals import named
from pants_plugin_minimg.subsystems.bundler import (
    Bundler,
    BundlerError,
    process,
    set_up_bundler,
    succeeded,
)
from pants_plugin_minimg.util_rules import host, since, stored
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage
from pants_plugin_minimg.util_rules.stored import Stored

_DIFFERENT = 1


class DiffFormat(Enum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class MinimgDiffSubsystem(GoalSubsystem):
    name = "minimg-diff"
    help = softwrap(
        """
        What two images differ in. Of tars or OCI layouts: `minimg-diff -- old.tar
        dist/app/image.tar`. Of images and what they were at another revision of git:
        `minimg-diff --since=main //app:image`.
        Files that were added, removed or changed, with what they grew by, and the config.
        """
    )

    args = ArgsListOption(
        example="old.tar new.tar",
        passthrough=True,
        extra_help=(
            "The old tar (or folder with an OCI layout) and the new one. An image that is still in "
            "Pants' store is `sha256:DIGEST:SIZE`, as its docker-info.json has both."
        ),
    )
    since = StrOption(
        default=None,
        help=softwrap(
            """
            A revision of git. The images of the given targets are built as they were then, in a
            checkout that is removed again, by this same Pants with the same options, and compared
            with those of now. Each path is shown with the reason for which it is there.

            Example: `minimg-diff --since=origin/main --format=markdown //app:image`.
            """
        ),
    )
    format = EnumOption(
        default=DiffFormat.TEXT,
        help=softwrap(
            """
            How to print it; `markdown` is for a pull request.

            Example: `minimg-diff --format=markdown -- old.tar new.tar`.
            """
        ),
    )


class MinimgDiff(Goal):
    subsystem_cls = MinimgDiffSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


def _bad_use(problem: str, remedy: str) -> BundlerError:
    return BundlerError(str(MinimgError("MINIMG-E018", "minimg-diff", problem, remedy)))


async def _compare(
    bundler: Bundler, arguments: Sequence[Sequence[str]], inputs: Sequence[Digest], console: Console
) -> None:
    """Runs `diff` with each of `arguments`, and prints what it says."""
    steps = [
        process(
            bundler,
            ("diff", *each),
            description=f"Compare two images ({number} of {len(arguments)})",
            inputs=digest,
            # The tars are files of the user, which no key knows.
            scope=ProcessCacheScope.PER_SESSION,
        )
        for number, (each, digest) in enumerate(zip(arguments, inputs), 1)
    ]
    results = await engine.execute_all(steps)
    for step, result in zip(steps, results):
        if result.exit_code != _DIFFERENT:
            succeeded([step], [result])
    for result in results:
        console.write_stdout(result.stdout.decode("utf-8", "replace"))


async def _inputs(built: Sequence[BuiltPackage]) -> list[tuple[Digest, list[str]]]:
    """The layout of each image or index below `layout/`, beside the plans that are named."""
    images = [
        next(item for item in package.artifacts if isinstance(item, BuiltMinimalImage))
        for package in built
    ]
    named = [
        {f"plans/{n}.json": part.plan for n, part in enumerate(image.each()) if part.plan}
        for image in images
    ]
    digests = await engine.create_digests(
        [
            CreateDigest([FileEntry(name, plan.file_digest) for name, plan in plans.items()])
            for plans in named
        ]
    )
    found = []
    for image, plans, digest in zip(images, named, digests):
        assert image.layout is not None
        found.append((await engine.merge_all((image.layout, digest)), list(plans)))
    return found


async def _compare_since(
    bundler: Bundler,
    options: MinimgDiffSubsystem,
    field_sets: Sequence[PackageFieldSet],
    session: SessionValues,
    environment: CompleteEnvironmentVars,
    console: Console,
) -> int:
    """The exit code."""
    revision = str(options.since)
    inputs = await _inputs(await engine.build_packages(field_sets))
    with tempfile.TemporaryDirectory(prefix="minimg-diff-") as scratch:
        addresses = [field_set.address for field_set in field_sets]
        try:
            old = await since.built_at(bundler, revision, addresses, session, environment, scratch)
        except since.NotBuilt as error:
            return int(error.args[0])
        arguments = []
        for address, (_, plans) in zip(addresses, inputs):
            each = [f"--format={options.format.value}", f"--title={address} since {revision}"]
            each += [f"--new-plan={plan}" for plan in plans]
            if address in old:
                each += [f"--old-plan={plan}" for plan in old[address].plans]
                each.append(old[address].image)
            arguments.append([*each, "layout"])
        await _compare(bundler, arguments, [digest for digest, _ in inputs], console)
    return 0


@goal_rule
async def diff(
    console: Console,
    targets: Targets,
    options: MinimgDiffSubsystem,
    access: host.HostAccess,
    session: SessionValues,
    environment: CompleteEnvironmentVars,
) -> MinimgDiff:
    if options.since and options.args:
        raise _bad_use("both `--since` and two images were named", "Leave out one.")
    if options.since and not targets:
        # As where a pull request touches no image.
        console.print_stderr("minimg-diff: no image to compare.")
        return MinimgDiff(exit_code=0)
    if options.since:
        example = "minimg-diff --since=main //app:image"
        field_sets = named.images(targets, "minimg-diff", example)
        bundler = await set_up_bundler(access.python)
        return MinimgDiff(
            await _compare_since(bundler, options, field_sets, session, environment, console)
        )
    if len(options.args) != 2:
        raise _bad_use(
            f"{len(options.args)} images were named",
            "Name two tars or layouts after `--`: the old one and the new one; or targets, and a "
            "revision as in `--since=main`.",
        )
    bundler = await set_up_bundler(access.python)
    paths, digests = [], []
    names = [Stored.parse(argument) for argument in options.args]
    for folder, argument, name in zip(("old", "new"), options.args, names):
        if name is None:
            paths.append(os.path.join(get_buildroot(), argument))
        else:
            paths.append(f"{folder}@{name.digest}")
            digests.append(await stored.layout(bundler, name, folder))
    inputs = await engine.merge_all(digests)
    try:
        await _compare(bundler, [[f"--format={options.format.value}", *paths]], [inputs], console)
    except Exception as error:
        absent = [name for name in names if name is not None]
        if not absent or not stored.is_missing(error):
            raise
        raise stored.missing(absent[0]) from None
    return MinimgDiff(exit_code=0)


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
