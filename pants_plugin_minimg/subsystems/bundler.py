"""The program that runs in the sandbox: its environment, and how its commands are run.

The rules never import it: its sources are package resources that go into the sandbox by content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import PexLayout, PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.backend.python.util_rules.pex_requirements import EntireLockfile, Lockfile
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.process import FallibleProcessResult, ProcessCacheScope
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.interpreter import CONSTRAINTS

_PACKAGE = "pants_plugin_minimg"
_LOCK = Lockfile(
    url=f"resource://{_PACKAGE}.subsystems/bundler.lock",
    url_description_of_origin="the lock that comes with pants-plugin-minimg",
    # A name would bring the user's own interpreter constraints in where `python` is given.
    resolve_name="",
)
#: All that a process knows of its surroundings. Nothing of the user's environment gets in.
_ENVIRONMENT = {"LC_ALL": "C", "PYTHONHASHSEED": "0", "TZ": "UTC"}
_BAD_INPUT = 2


@dataclass(frozen=True)
class Bundler:
    venv: VenvPex


class BundlerError(Exception):
    """What is wrong with the inputs of an image, one line a problem."""


def sources() -> tuple[FileContent, ...]:
    """The bundler's modules, sorted by path, with the empty package around them."""
    found = [FileContent(f"{_PACKAGE}/__init__.py", b"")]
    found += _modules(files(f"{_PACKAGE}.bundler"), f"{_PACKAGE}/bundler")
    return tuple(sorted(found, key=lambda module: module.path))


def _modules(folder: Any, path: str) -> Iterator[FileContent]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _modules(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield FileContent(f"{path}/{entry.name}", entry.read_bytes())


def process(
    bundler: Bundler,
    arguments: Sequence[str],
    *,
    description: str,
    inputs: Digest,
    output_files: Sequence[str] = (),
    output_directories: Sequence[str] = (),
    scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL,
    level: LogLevel = LogLevel.DEBUG,
    surroundings: Mapping[str, str] | None = None,
) -> VenvPexProcess:
    """`surroundings`: environment variables that the process gets beside its own."""
    return VenvPexProcess(
        bundler.venv,
        argv=tuple(arguments),
        description=description,
        input_digest=inputs,
        output_files=tuple(output_files),
        output_directories=tuple(output_directories),
        extra_env={**(surroundings or {}), **_ENVIRONMENT},
        cache_scope=scope,
        level=level,
    )


async def run_all(processes: Sequence[VenvPexProcess]) -> tuple[Digest, ...]:
    """The output of each process. Raises one BundlerError with what all of them complain of."""
    return succeeded(processes, await engine.execute_all(processes))


def succeeded(
    processes: Sequence[VenvPexProcess], results: Sequence[FallibleProcessResult]
) -> tuple[Digest, ...]:
    """The same of processes that ended already."""
    complaints = [
        line
        for step, result in zip(processes, results)
        for line in _complaints(step.description, result)
    ]
    if complaints:
        raise BundlerError("\n".join(dict.fromkeys(complaints)))
    return tuple(result.output_digest for result in results)


def _complaints(description: str, result: FallibleProcessResult) -> list[str]:
    if result.exit_code == 0:
        return []
    lines = result.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    if result.exit_code == _BAD_INPUT and lines:
        return lines
    return [f"{description}: ended with exit code {result.exit_code}", *lines]


async def set_up_bundler(python: PythonExecutable | None) -> Bundler:
    """Built once for all images. No rule, so that an image can be refused before it is built.

    `python` None: Pants looks for an interpreter.
    """
    digests = await engine.create_digests((CreateDigest(sources()),))
    venv = await engine.create_venv(
        PexRequest(
            output_filename="minimg_bundler.pex",
            internal_only=True,
            # One file: every process has the tool in its sandbox, where a large file is linked and
            # the many small ones of another layout are written.
            layout=PexLayout.ZIPAPP,
            requirements=EntireLockfile(_LOCK),
            python=python,
            # Given with the request: a user's own constraints say nothing about this tool.
            interpreter_constraints=InterpreterConstraints(() if python else CONSTRAINTS),
            sources=digests[0],
            main=EntryPoint(f"{_PACKAGE}.bundler.__main__"),
            description="Building the sandbox program of minimal images",
        )
    )
    return Bundler(venv)
