"""The programs of this machine that an image can be run with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pants.core.util_rules.system_binaries import BinaryPathRequest
from pants.engine.fs import Digest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler, process

#: OCI's architecture -> what its emulator is called.
EMULATORS = {
    "amd64": "qemu-x86_64-static",
    "arm64": "qemu-aarch64-static",
    "arm": "qemu-arm-static",
    "386": "qemu-i386-static",
    "riscv64": "qemu-riscv64-static",
    "ppc64le": "qemu-ppc64le-static",
    "s390x": "qemu-s390x-static",
}
#: How the engines' clients find their servers.
ENVIRONMENT = ("HOME", "PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")
#: The exit status of a command of the bundler that found nothing to run an image with.
UNUSABLE = 3


@dataclass(frozen=True)
class Means:
    """Programs as arguments of the bundler's commands, and what they need of the environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


async def _path(search_path: engine.StandardSearchPath, name: str) -> str | None:
    found = await engine.find_program(
        BinaryPathRequest(binary_name=name, search_path=search_path.folders)
    )
    return None if found.first_path is None else found.first_path.path


async def means(search_path: engine.StandardSearchPath) -> tuple[Means, ...]:
    """To be tried in this order: whether one works is found out by a process.

    bubblewrap by itself: it needs nothing of the user, whose environment would be in the key.
    """
    found = []
    path = await _path(search_path, "bwrap")
    if path is not None:
        found.append(Means(("--bubblewrap", path), {}))
    engines: list[str] = []
    for name in ("docker", "podman"):
        path = await _path(search_path, name)
        engines += [] if path is None else ["--engine", path]
    if engines or not found:
        environment = await engine.environment_variables(ENVIRONMENT)
        found.append(Means(tuple(engines), dict(environment)))
    return tuple(found)


async def run(
    bundler: Bundler,
    search_path: engine.StandardSearchPath,
    arguments: Sequence[str],
    *,
    description: str,
    inputs: Digest,
    output_files: Sequence[str] = (),
    scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL,
) -> tuple[Process, FallibleProcessResult]:
    """The first run whose means work, else the last; its status is UNUSABLE then, and it says why.

    What could not be run ends with another status than 0, and so is never taken from the cache.
    """
    reasons = []
    for each in await means(search_path):
        step = process(
            bundler,
            (*arguments, *each.arguments),
            description=description,
            inputs=inputs,
            output_files=output_files,
            level=LogLevel.INFO,
            scope=scope,
            surroundings=each.environment,
        )
        (result,) = await engine.execute_all([step])
        if result.exit_code != UNUSABLE:
            return step, result
        reasons.append(result.stdout.decode("utf-8", "replace").strip())
    stdout = "; ".join(dict.fromkeys(reasons)).encode()
    return step, replace(result, stdout=stdout)


async def tracer(search_path: engine.StandardSearchPath) -> tuple[str, ...]:
    """The argument for what observes a run."""
    path = await _path(search_path, "strace")
    return () if path is None else ("--strace", path)


async def emulator(search_path: engine.StandardSearchPath, architecture: str) -> tuple[str, ...]:
    """The same for what runs programs of another architecture."""
    path = await _path(search_path, EMULATORS[architecture])
    return () if path is None else ("--emulator", architecture, path)
