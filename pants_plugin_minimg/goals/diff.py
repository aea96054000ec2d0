"""`minimg-diff`: what two images differ in."""

from __future__ import annotations

import os
from enum import Enum

from pants.base.build_environment import get_buildroot
from pants.engine.console import Console
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, goal_rule
from pants.option.option_types import ArgsListOption, EnumOption
from pants.util.strutil import softwrap

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import (
    BundlerError,
    process,
    set_up_bundler,
    succeeded,
)
from pants_plugin_minimg.util_rules import host

_DIFFERENT = 1


class DiffFormat(Enum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class MinimgDiffSubsystem(GoalSubsystem):
    name = "minimg-diff"
    help = softwrap(
        """
        What two images differ in, from their tars or OCI layouts:
        `minimg-diff -- old.tar dist/app/image.tar`.
        Files that were added, removed or changed, with what they grew by, and the config.
        """
    )

    args = ArgsListOption(
        example="old.tar new.tar",
        passthrough=True,
        extra_help="The old tar (or folder with an OCI layout) and the new one.",
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


@goal_rule
async def diff(
    console: Console, options: MinimgDiffSubsystem, access: host.HostAccess
) -> MinimgDiff:
    if len(options.args) != 2:
        error = MinimgError(
            "MINIMG-E018",
            "minimg-diff",
            f"{len(options.args)} images were named",
            "Name two tars or layouts after `--`: the old one and the new one.",
        )
        raise BundlerError(str(error))
    bundler = await set_up_bundler(access.python)
    step = process(
        bundler,
        (
            "diff",
            f"--format={options.format.value}",
            *(os.path.join(get_buildroot(), path) for path in options.args),
        ),
        description="Compare two images",
        inputs=EMPTY_DIGEST,
        # The tars are files of the user, which no key knows.
        scope=ProcessCacheScope.PER_SESSION,
    )
    (result,) = await engine.execute_all([step])
    if result.exit_code != _DIFFERENT:
        succeeded([step], [result])
    console.write_stdout(result.stdout.decode("utf-8", "replace"))
    return MinimgDiff(exit_code=0)


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
