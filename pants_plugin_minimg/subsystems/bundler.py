"""The program that runs in the sandbox: its environment, and how its commands are run.

The rules never import it: its sources are package resources that go into the sandbox by content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import CompletePlatforms, PexLayout, PexRequest
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.backend.python.util_rules.pex_requirements import EntireLockfile, Lockfile
from pants.engine.fs import CreateDigest, Digest, DigestEntries, FileContent, FileEntry
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
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
#: How long a remote cache may take before the work is begun here too, in milliseconds.
_PATIENCE = 1000
#: Where the program is in each sandbox: a link, whatever the number of its files.
_FOLDER, _TREE = ".minimg", "bundler"
_PLATFORM = "minimg_platform.json"
_DEPENDENCIES = ".deps"
_NO_MODULES = (".dist-info", ".data")
#: A second backend of twelve megabytes, for interpreters that cannot load the first.
_NOT_LOADED = "zstandard/_cffi."
#: What is run by other interpreters, of a sysroot: these get the source.
_HANDED_ON = f"{_TREE}/{_PACKAGE}/bundler/python"
_START = f"""\
import sys

from {_PACKAGE}.bundler.__main__ import main

sys.exit(main(sys.argv[1:]))
""".encode()
#: Byte code that is valid whatever the time stamps are (PEP 552): sandboxes keep none.
_COMPILE = """\
import compileall, os, py_compile, sys

tree, handed_on = sys.argv[1:]
by_name = py_compile.PycInvalidationMode.UNCHECKED_HASH
done = compileall.compile_dir(tree, quiet=1, legacy=True, invalidation_mode=by_name)
for folder, _, names in os.walk(tree):
    for name in names:
        if name.endswith(".py") and folder != handed_on:
            os.unlink(os.path.join(folder, name))
sys.exit(not done)
"""


@dataclass(frozen=True)
class Bundler:
    """`python`: the path of an interpreter. `tree`: modules and their byte code, below `_TREE`."""

    python: str
    tree: Digest

    @property
    def command(self) -> tuple[str, ...]:
        """What its arguments follow. Neither the user's modules nor the interpreter's are seen."""
        return (self.python, "-s", "-S", "-B", f"{_FOLDER}/{_TREE}")


class BundlerError(Exception):
    """What is wrong with the inputs of an image, one line a problem."""


@cache  # each image asks, and they do not change while Pants runs
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


async def run_all(processes: Sequence[Process]) -> tuple[Digest, ...]:
    """The output of each process. Raises one BundlerError with what all of them complain of."""
    return succeeded(processes, await engine.execute_all(processes))


def succeeded(
    processes: Sequence[Process], results: Sequence[FallibleProcessResult]
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


def placed(entries: DigestEntries) -> tuple[FileEntry, ...]:
    """The files of a loose PEX as one folder of modules: what it starts itself with is left out."""
    out = []
    for entry in entries:
        if not isinstance(entry, FileEntry):
            continue
        folder, _, path = entry.path.partition("/")[2].partition("/")
        if folder == _DEPENDENCIES:
            path = path.partition("/")[2]
        elif folder == _PACKAGE:
            path = f"{_PACKAGE}/{path}"
        else:
            continue
        if path.partition("/")[0].endswith(_NO_MODULES) or path.startswith((".", _NOT_LOADED)):
            continue
        out.append(replace(entry, path=f"{_TREE}/{path}"))
    return tuple(out)


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


async def set_up_bundler(python: Interpreter | None) -> Bundler:
    """Built once for all images. No rule, so that an image can be refused before it is built.

    No virtual environment: what starts one names the user's home and search path, and would be in
    the key of each step. Raises BundlerError MINIMG-E049 where `python` is None, and
    MINIMG-E050 where it is not served.
    """
    if python is None:
        raise _unusable()
    if not python.served:
        raise _unserved(python)
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
    (entries,) = await engine.digest_entries_all([pex.digest])
    start = FileContent(f"{_TREE}/__main__.py", _START)
    (tree,) = await engine.create_digests((CreateDigest((start, *placed(entries))),))
    (compiled,) = await run_all([_compilation(python, tree)])
    return Bundler(python.path, compiled)


def _compilation(python: Interpreter, tree: Digest) -> Process:
    """Byte code instead of the sources: each session lays out every file of the tree once."""
    return Process(
        (python.path, "-s", "-S", "-c", _COMPILE, _TREE, _HANDED_ON),
        description="Compile the sandbox program of minimal images",
        input_digest=tree,
        output_directories=(_TREE,),
        # The version too: a path may hold another interpreter tomorrow.
        env={**_ENVIRONMENT, "MINIMG_PYTHON": python.fingerprint},
        remote_cache_speculation_delay_millis=_PATIENCE,
        level=LogLevel.DEBUG,
    )
