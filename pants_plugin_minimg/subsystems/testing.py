"""The options of `[minimg-test]`."""

from __future__ import annotations

from enum import Enum

from pants.option.option_types import EnumOption, SkipOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap


class Unavailable(Enum):
    SKIP = "skip"
    FAIL = "fail"


class MinimgTestSubsystem(Subsystem):
    options_scope = "minimg-test"
    name = "minimal images"
    help = "How `minimal_docker_image_test` targets run."

    skip = SkipOption("test")
    unavailable = EnumOption(
        default=Unavailable.SKIP,
        help=softwrap(
            """
            What becomes of tests where there is nothing to run an image with: neither bubblewrap,
            docker nor podman works, or the image is for another architecture and there is no
            emulator (`qemu-<machine>-static`). `skip` says why and goes on; `fail` fails them.

            Example: `unavailable = "fail"`, in CI.
            """
        ),
    )


def rules():  # type: ignore[no-untyped-def]
    return [*MinimgTestSubsystem.rules()]
