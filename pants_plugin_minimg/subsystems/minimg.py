"""The options of `[minimg]`."""

from __future__ import annotations

from pants.option.option_types import BoolOption, StrOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap


class MinimgSubsystem(Subsystem):
    options_scope = "minimg"
    help = "Minimal container images, made by `minimal_docker_image` targets."

    default_repository = StrOption(
        default="{name}",
        help=softwrap(
            """
            The repository of images whose `repository` field is not set.

            Placeholders: `{name}` is the target's name, `{full_directory}` the folder of its BUILD
            file, `{directory}` the last component of that and `{parent_directory}` the one before.

            Example: `default_repository = "{directory}/{name}"`.
            """
        ),
    )
    hints = BoolOption(
        default=True,
        help=softwrap(
            """
            Whether the log names libraries and plugin folders that programs may open as they run
            and that are not in the image, each with the line to add.

            Example: `hints = false`.
            """
        ),
    )


def rules():  # type: ignore[no-untyped-def]
    return [*MinimgSubsystem.rules()]
