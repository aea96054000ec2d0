"""`generate-lockfiles` for the packages of `debian_sysroot` targets."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.base.build_environment import get_buildroot
from pants.core.goals.generate_lockfiles import (
    GenerateLockfile,
    GenerateLockfileResult,
    KnownUserResolveNames,
    KnownUserResolveNamesRequest,
    RequestedUserResolveNames,
    UserGenerateLockfiles,
)
from pants.core.util_rules.system_binaries import BinaryPathRequest
from pants.engine.fs import CreateDigest, FileEntry
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, rule
from pants.engine.target import AllTargets, Target
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import process, run_all, set_up_bundler
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.sysroot_targets import LockfileField, asked_for, resolve_name
from pants_plugin_minimg.util_rules import host
from pants_plugin_minimg.util_rules.closure import document, files_below, read_json
from pants_plugin_minimg.util_rules.debian import APT

logger = logging.getLogger(__name__)

#: How this machine reaches the network.
_NETWORK = (
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


class KnownDebianResolvesRequest(KnownUserResolveNamesRequest):
    """Asks for the names of the locks of `debian_sysroot` targets."""


class RequestedDebianResolves(RequestedUserResolveNames):
    """The names of those that are to be written."""


@dataclass(frozen=True)
class GenerateDebianLock(GenerateLockfile):
    """The lock of one target."""

    target: Target


def _sysroots(targets: Iterable[Target]) -> list[Target]:
    return [target for target in targets if target.has_field(LockfileField)]


@rule
async def known_debian_resolves(
    _: KnownDebianResolvesRequest, all_targets: AllTargets
) -> KnownUserResolveNames:
    return KnownUserResolveNames(
        names=tuple(resolve_name(target) for target in _sysroots(all_targets)),
        option_name="the `resolve` field of `debian_sysroot` targets",
        requested_resolve_names_cls=RequestedDebianResolves,
    )


@rule
async def requested_debian_locks(
    requested: RequestedDebianResolves, all_targets: AllTargets
) -> UserGenerateLockfiles:
    return UserGenerateLockfiles(
        GenerateDebianLock(
            resolve_name=resolve_name(target),
            lockfile_dest=target[LockfileField].file_path,
            diff=False,
            target=target,
        )
        for target in _sysroots(all_targets)
        if resolve_name(target) in requested
    )


@rule(desc="Lock Debian packages", level=LogLevel.DEBUG)
async def generate_debian_lock(
    request: GenerateDebianLock,
    options: DebianSubsystem,
    access: host.HostAccess,
    search_path: engine.StandardSearchPath,
) -> GenerateLockfileResult:
    """Asks the mirrors, so it is never cached. What changed is a line in the log for each."""
    target = request.target
    bundler = await set_up_bundler(access.python)
    gpgv = await engine.find_program(
        BinaryPathRequest(binary_name="gpgv", search_path=search_path.folders)
    )
    network = await engine.environment_variables(_NETWORK)
    previous = await engine.digest_of_files((request.lockfile_dest,))
    (old,) = await engine.digest_entries_all((previous,))
    wanted = {
        "version": 1,
        "resolve": request.resolve_name,
        "address": str(target.address),
        **asked_for(target),
        "mirrors": list(options.mirrors),
        "apt": APT,
        "keyrings": [os.path.join(get_buildroot(), path) for path in options.keyrings],
        "gpgv": gpgv.first_path.path if gpgv.first_path is not None else None,
        "lockfile": request.lockfile_dest,
        "previous": request.lockfile_dest if old else None,
    }
    asked = await engine.create_digests((CreateDigest([document("request.json", wanted)]),))
    inputs = await engine.merge_all((*asked, previous))
    timestamp = (f"--timestamp={options.timestamp}",) if options.timestamp else ()
    outputs = await run_all(
        [
            process(
                bundler,
                ("lock", "--request=request.json", *timestamp, "--out=out"),
                description=f"Lock the packages of {target.address}",
                inputs=inputs,
                output_directories=("out",),
                scope=ProcessCacheScope.PER_SESSION,
                level=LogLevel.INFO,
                surroundings=network,
            )
        ],
        str(target.address),
    )
    entries = await engine.digest_entries_all(outputs)
    files = files_below(entries[0], "out")
    (changes,) = await read_json([files["changes.json"]])
    for line in changes or ["nothing changed"]:
        logger.info("%s: %s", request.resolve_name, line)
    digests = await engine.create_digests(
        [CreateDigest([FileEntry(request.lockfile_dest, files["lock.toml"].file_digest)])]
    )
    return GenerateLockfileResult(digests[0], request.resolve_name, request.lockfile_dest)


def rules():  # type: ignore[no-untyped-def]
    return [
        *collect_rules(),
        UnionRule(GenerateLockfile, GenerateDebianLock),
        UnionRule(KnownUserResolveNamesRequest, KnownDebianResolvesRequest),
        UnionRule(RequestedUserResolveNames, RequestedDebianResolves),
    ]
