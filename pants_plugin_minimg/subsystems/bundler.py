"""The program that runs in the sandbox: its environment, and how its commands are run.

The rules never import it: its sources are package resources that go into the sandbox by content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import CompletePlatforms, Pex, PexLayout, PexRequest
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.backend.python.util_rules.pex_requirements import EntireLockfile, Lockfile
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.interpreter import MACHINES, VERSIONS, Interpreter

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
#: What a line that complains of inputs begins with.
_CODE = "^MINIMG-E[0-9]{3} "
#: How long a remote cache may take before the work is begun here too, in milliseconds.
_PATIENCE = 1000
#: Where the program is in each sandbox: a link, whatever the number of its files.
_FOLDER, _TREE = ".minimg", "bundler"
_PLATFORM = "minimg_platform.json"


@dataclass(frozen=True)
class Bundler:
    """`python`: the path of an interpreter. `tree`: what it runs, below `_TREE`."""

    python: str
    tree: Digest

    @property
    def command(self) -> tuple[str, ...]:
        """What its arguments follow. Neither the user's modules nor the interpreter's are seen.

        The file and not its folder, for which Python first imports what finds modules in folders.
        """
        return (self.python, "-s", "-S", "-B", f"{_FOLDER}/{_TREE}/__main__.pyc")


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
) -> Process:
    """`surroundings`: environment variables that the process gets beside its own."""
    return Process(
        (*bundler.command, *arguments),
        description=description,
        input_digest=inputs,
        immutable_input_digests={_FOLDER: bundler.tree},
        output_files=tuple(output_files),
        output_directories=tuple(output_directories),
        env={**(surroundings or {}), **_ENVIRONMENT},
        cache_scope=scope,
        remote_cache_speculation_delay_millis=_PATIENCE,
        level=level,
    )


async def run_all(processes: Sequence[Process], address: str = "") -> tuple[Digest, ...]:
    """The output of each process. Raises one BundlerError with what all of them complain of.

    `address` stands in their lines, where no key of theirs may hold one.
    """
    return succeeded(processes, await engine.execute_all(processes), address)


def succeeded(
    processes: Sequence[Process], results: Sequence[FallibleProcessResult], address: str = ""
) -> tuple[Digest, ...]:
    """The same of processes that ended already."""
    complaints = [
        line
        for step, result in zip(processes, results)
        for line in _complaints(step.description, result)
    ]
    if complaints:
        said = "\n".join(dict.fromkeys(complaints))
        raise BundlerError(of_address(said, address) if address else said)
    return tuple(result.output_digest for result in results)


def of_address(complaints: str, address: str) -> str:
    """The same with an address or an option after the code of each line that does not have it."""
    without = re.compile(f"{_CODE}(?!{re.escape(address)}: )", re.MULTILINE)
    return without.sub(lambda code: f"{code[0]}{address}: ", complaints)


def _complaints(description: str, result: FallibleProcessResult) -> list[str]:
    if result.exit_code == 0:
        return []
    lines = result.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    if result.exit_code == _BAD_INPUT and lines:
        return lines
    return [f"{description}: ended with exit code {result.exit_code}", *lines]


def _unusable() -> BundlerError:
    return BundlerError(
        str(
            MinimgError(
                "MINIMG-E049",
                "[minimg].python",
                f"there is no Python here that the sandbox program runs on: {VERSIONS}",
                "Install one where the image is built, or name another.",
            )
        )
    )


def _unserved(python: Interpreter) -> BundlerError:
    return BundlerError(
        str(
            MinimgError(
                "MINIMG-E050",
                python.path,
                "the sandbox program has no wheels for this Python, where the image is built: they "
                f"are for {MACHINES}, and not for a free-threaded build",
                "Install another one there and name it by `[minimg].python`, or build the image in "
                "another environment.",
            )
        )
    )


async def _elsewhere(python: Interpreter) -> CompletePlatforms:
    """What pex resolves for; nothing where it runs on the very interpreter."""
    if python.platform is None:
        return CompletePlatforms()
    file = FileContent(_PLATFORM, python.platform.encode())
    (digest,) = await engine.create_digests((CreateDigest([file]),))
    return CompletePlatforms([_PLATFORM], digest=digest)


def _compilation(python: Interpreter, pex: Pex) -> Process:
    """Byte code instead of the sources, in few files; compilation.py says why."""
    program = files(f"{_PACKAGE}.subsystems").joinpath("compilation.py").read_text()
    return Process(
        (python.path, "-s", "-S", "-c", program, pex.name, _TREE),
        description="Compile the sandbox program of minimal images",
        input_digest=pex.digest,
        output_directories=(_TREE,),
        # The version too: a path may hold another interpreter tomorrow.
        env={**_ENVIRONMENT, "MINIMG_PYTHON": python.fingerprint},
        remote_cache_speculation_delay_millis=_PATIENCE,
        level=LogLevel.DEBUG,
    )


@rule
async def build_bundler(python: Interpreter) -> Bundler:
    """No virtual environment: what starts one names the user's home and search path, and would be
    in the key of each step."""
    local = python.platform is None
    here = PythonExecutable(python.path, python.fingerprint) if local else None
    (modules,) = await engine.create_digests((CreateDigest(sources()),))
    pex = await engine.build_pex(
        PexRequest(
            output_filename="minimg_bundler.pex",
            internal_only=local,
            layout=PexLayout.LOOSE,
            requirements=EntireLockfile(_LOCK),
            python=here,
            complete_platforms=await _elsewhere(python),
            # Given with the request: a user's own constraints say nothing about this tool.
            interpreter_constraints=InterpreterConstraints(),
            sources=modules,
            description="Building the sandbox program of minimal images",
        ),
        python.builder,
    )
    (compiled,) = await run_all([_compilation(python, pex)])
    return Bundler(python.path, compiled)


_built = engine.caller(build_bundler)


async def set_up_bundler(python: Interpreter | None) -> Bundler:
    """Built once for all images, and not before an image is found to be right.

    Raises BundlerError MINIMG-E049 where `python` is None, and MINIMG-E050 where it is not served.
    """
    if python is None:
        raise _unusable()
    if not python.served:
        raise _unserved(python)
    return await _built(python)


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
