"""`run` of a `minimal_docker_image`: load it into the machine's container engine and start it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields

from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior, RunRequest
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet, for_architecture
from pants_plugin_minimg.subsystems.bundler import BundlerError, process, run_all, set_up_bundler
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.target_types import ExtraRunArgsField
from pants_plugin_minimg.util_rules import host
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage

_SCRIPT = "minimg_run.sh"
_TAR = "image.tar"
#: Tried in this order; the first that answers is taken.
ENGINES = ("docker", "podman")


@dataclass(frozen=True)
class MinimalDockerImageRunFieldSet(MinimalDockerImageFieldSet, RunFieldSet):
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    extra_run_args: ExtraRunArgsField

    def to_package(self) -> MinimalDockerImageFieldSet:
        return MinimalDockerImageFieldSet(
            **{
                field.name: getattr(self, field.name)
                for field in fields(MinimalDockerImageFieldSet)
            }
        )


def run_script(address: str, tar: str, name: str, arguments: Sequence[str]) -> str:
    """A shell script that is started beside the tar, with the container's arguments as its own.

    `arguments` are options for the engine's `run`.

    The engine is looked for when it runs: an image can be built where none is.
    """
    missing = MinimgError(
        "MINIMG-E021",
        address,
        f"neither {' nor '.join(ENGINES)} is there to run the image with",
        "Install one of them, and have its folder on `PATH`.",
    )
    silent = MinimgError(
        "MINIMG-E021", address, "no container engine answers", "Start it, or run as its user."
    )
    return f"""\
here=$(dirname -- "$0")
engine=
answers=
for candidate in {" ".join(ENGINES)}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if answer=$("$candidate" info 2>&1 >/dev/null); then
        engine=$candidate
        break
    fi
    answers="$answers
$candidate info: $answer"
done
if [ -z "$engine" ]; then
    if [ -z "$answers" ]; then
        printf '%s\\n' {shlex.quote(str(missing))} >&2
    else
        printf '%s%s\\n' {shlex.quote(str(silent))} "$answers" >&2
    fi
    exit 1
fi
"$engine" load --quiet --input "$here"/{shlex.quote(tar)} >/dev/null || exit 1
terminal=
if [ -t 0 ] && [ -t 1 ]; then
    terminal=-t
fi
exec "$engine" run --rm -i $terminal --pull=never {shlex.join([*arguments, name])} "$@"
"""


async def _tar(image: BuiltMinimalImage, address: str, access: host.HostAccess) -> Digest:
    """_TAR, of an image that was built as a layout."""
    assert image.layout is not None
    bundler = await set_up_bundler(access.python)
    outputs = await run_all(
        [
            process(
                bundler,
                ("tar", "--layout=layout", f"--out={_TAR}"),
                description=f"Write {address} as a tar",
                inputs=image.layout,
                output_files=(_TAR,),
            )
        ]
    )
    return outputs[0]


async def runnable(
    image: BuiltMinimalImage,
    content: Digest,
    address: str,
    arguments: Sequence[str],
    access: host.HostAccess,
) -> RunRequest:
    """`content` holds the product of the image; `arguments` are options of the engine's `run`."""
    assert image.relpath is not None
    tar = image.relpath
    if not image.is_tar:
        content, tar = await _tar(image, address, access), _TAR
    name = next((name for name in image.names if name.local), image.names[0])
    script = run_script(address, tar, str(name), arguments)
    scripts = await engine.create_digests([CreateDigest([FileContent(_SCRIPT, script.encode())])])
    return RunRequest(
        digest=await engine.merge_all((content, *scripts)),
        args=("/bin/sh", f"{{chroot}}/{_SCRIPT}"),
    )


def for_this_machine(address: str, architectures: Sequence[str], access: host.HostAccess) -> str:
    """One of `architectures`, by Debian's names. Raises BundlerError MINIMG-E041."""
    if access.architecture not in architectures:
        raise not_for_this_machine(address, architectures, access.architecture)
    return access.architecture


def not_for_this_machine(address: str, there: Sequence[str], machine: str) -> BundlerError:
    error = MinimgError(
        "MINIMG-E041",
        address,
        f"it has images for {', '.join(there)}, and this machine is {machine}",
        "Run it where one of them fits, or add one.",
    )
    return BundlerError(str(error))


@rule(desc="Get an image ready to run", level=LogLevel.DEBUG)
async def run_minimal_docker_image(
    field_set: MinimalDockerImageRunFieldSet, options: MinimgSubsystem, access: host.HostAccess
) -> RunRequest:
    address, wanted = str(field_set.address), field_set.to_package()
    if wanted.architectures.value:
        own = for_this_machine(address, wanted.architectures.value, access)
        wanted = for_architecture(wanted, own)
    (built,) = await engine.build_packages([wanted])
    image = next(a for a in built.artifacts if isinstance(a, BuiltMinimalImage))
    arguments = (*options.run_args, *(field_set.extra_run_args.value or ()))
    return await runnable(image, built.digest, address, arguments, access)


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), *MinimalDockerImageRunFieldSet.rules()]
