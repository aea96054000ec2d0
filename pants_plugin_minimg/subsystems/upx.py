"""The options of `[minimg-upx]`, and what to say where there is no UPX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pants.engine.addresses import UnparsedAddressInputs
from pants.option.option_types import ArgsListOption, StrOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.packing import upxargs

HOW_TO_GET_IT = (
    "Install a UPX from 4.2 up to, not including, 5: Debian's package `upx-ucl` (4.2.4 in trixie, "
    "4.2.2 in bookworm-backports), Ubuntu's `upx-ucl` from 24.04 on; or set `upx=False`"
)


class UpxSubsystem(Subsystem):
    options_scope = "minimg-upx"
    name = "UPX"
    help = "How `minimal_docker_image` targets with `upx=True` pack their programs."

    sysroot = StrOption(
        default=None,
        help=softwrap(
            """
            The address of a `debian_sysroot` with the package `upx-ucl`, for each architecture that
            builds run on. By default, or when it is empty, the `upx` of this machine is taken,
            which must then be there and decides the image with it.

            Example: `sysroot = "//sysroots:upx"`.
            """
        ),
    )
    args = ArgsListOption(
        example="--best",
        default=list(upxargs.DEFAULT),
        extra_help=(
            "They are for `upx=True`, and any that choose how UPX compresses. An image's own "
            '`upx_args` are taken in their place; `"fast"`, `"small"` and `"smallest"` have others.'
        ),
    )

    def problems(self) -> Iterator[MinimgError]:
        """What is wrong with the arguments."""
        for arg in self.args:
            if not upxargs.allowed(arg):
                problem = f"{arg!r} {upxargs.PROBLEM}"
                yield MinimgError("MINIMG-E018", "[minimg-upx].args", problem, upxargs.REMEDY)

    def inputs(self) -> UnparsedAddressInputs | None:
        if not self.sysroot:
            return None
        return UnparsedAddressInputs(
            (self.sysroot,),
            owning_address=None,
            description_of_origin="the option `[minimg-upx].sysroot`",
        )


def missing(address: str, folders: Iterable[str]) -> MinimgError:
    return MinimgError(
        "MINIMG-E017",
        address,
        f"`upx=True`, and this machine has no `upx` in {', '.join(folders)}",
        f"{HOW_TO_GET_IT}.",
    )


def rules():  # type: ignore[no-untyped-def]
    return [*UpxSubsystem.rules()]
