"""Which sysroot an image names, and how it is made ready for its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.target import Target

from pants_plugin_minimg import engine, sysroot_targets
from pants_plugin_minimg.bundler.architectures import PLATFORMS
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.util_rules import debian, host, rootfs
from pants_plugin_minimg.util_rules.closure import Sysroot


@dataclass(frozen=True)
class Wanted:
    """What an image, named by `address`, says of its sysroot. No `inputs`: this machine."""

    address: str
    inputs: UnparsedAddressInputs | None
    packages: Sequence[str]
    architecture: str | None
    alternatives: Mapping[str, str]


async def prepare(
    bundler: Bundler, wanted: Wanted, access: host.HostAccess, options: DebianSubsystem
) -> Sysroot:
    """Raises BundlerError, UnusableSysroot and BadDependencies with what is wrong with it."""
    if wanted.inputs is None:
        access.check(wanted.address)
        state = await host.state(bundler, access.scope)
        request = {"kind": "host", "lists": state.lists}
        return Sysroot(request, (state.digest,), of_host=True, scope=access.scope)
    (targets,) = await engine.resolve_all([wanted.inputs])
    target = targets[0]
    if target.has_field(sysroot_targets.LockfileField):
        return await _debian(bundler, wanted, target, options)
    if target.has_field(sysroot_targets.RootfsField):
        return await _rootfs(bundler, wanted, target)
    raise _refusal(
        "MINIMG-E020",
        wanted,
        f"its sysroot {target.address} is a `{target.alias}`",
        "Name a `debian_sysroot` or a `rootfs_sysroot`.",
    )


async def _debian(
    bundler: Bundler, wanted: Wanted, target: Target, options: DebianSubsystem
) -> Sysroot:
    architecture = wanted.architecture or target[sysroot_targets.ArchitecturesField].value[0]
    command = debian.lock_command(target)
    locked = await debian.locked_packages(
        bundler, target, options, wanted.packages, architecture, command
    )
    await debian.fetch(locked, str(target.address), command)
    packages = await debian.unpack(bundler, locked)
    request = {
        "kind": "debian",
        "packages": packages.folders,
        "alternatives": dict(wanted.alternatives),
        "architecture": architecture,
    }
    return Sysroot(request, packages.digests, of_host=False)


async def _rootfs(bundler: Bundler, wanted: Wanted, target: Target) -> Sysroot:
    if wanted.packages or wanted.alternatives:
        raise _refusal(
            "MINIMG-E018",
            wanted,
            f"`packages` and `alternatives` are for packages, and its sysroot {target.address} is "
            "a root file system",
            "Take them away.",
        )
    platform = PLATFORMS[wanted.architecture][1] if wanted.architecture else None
    digest = await rootfs.unpacked(bundler, target, platform)
    request = {
        "kind": "rootfs",
        "root": rootfs.FOLDER,
        "architecture": wanted.architecture,
        "lists": rootfs.LISTS,
    }
    return Sysroot(request, (digest,), of_host=False)


def _refusal(code: str, wanted: Wanted, problem: str, remedy: str) -> BundlerError:
    return BundlerError(str(MinimgError(code, wanted.address, problem, remedy)))
