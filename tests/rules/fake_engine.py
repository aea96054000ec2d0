"""The engine's calls over trees in memory, so that a step is tested without running its process."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from pants.backend.python.util_rules.pex import Pex, PexRequest
from pants.core.util_rules.system_binaries import BinaryPath, BinaryPathRequest, BinaryPaths
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars
from pants.engine.environment import EnvironmentName
from pants.engine.fs import (
    EMPTY_DIGEST,
    CreateDigest,
    Digest,
    DigestContents,
    DigestEntries,
    DownloadFile,
    FileContent,
    FileDigest,
    FileEntry,
    SymlinkEntry,
)
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.target import HydratedSources, HydrateSourcesRequest, Target, Targets

from pants_plugin_minimg import engine
from pants_plugin_minimg.engine._downloads import Attempted
from pants_plugin_minimg.engine._looks import Look, Looked
from pants_plugin_minimg.subsystems import bundler
from pants_plugin_minimg.subsystems.bundler import Bundler
from pants_plugin_minimg.subsystems.interpreter import Interpreter
from pants_plugin_minimg.util_rules import executables, host
from pants_plugin_minimg.util_rules.host import HostAccess

T = TypeVar("T")
Tree = Mapping[str, bytes]
#: The part of the bundler: what a command writes, given its arguments and its input tree.
Command = Callable[[tuple[str, ...], Tree], Tree]

#: What an interpreter elsewhere says of its wheels, in as few words as will do.
SERVED = '{"compatible_tags": ["cp312-cp312-manylinux_2_17_x86_64"]}'
#: The state of a machine without packages.
SWEPT = '{"folders": ["/usr/bin"]}'
BUNDLER = Bundler("/python", EMPTY_DIGEST)
ACCESS = HostAccess(None, python=Interpreter(BUNDLER.python, "3.9.18", EnvironmentName(None)))


def arguments(process: Process) -> tuple[str, ...]:
    """Those of the bundler."""
    return process.argv[len(BUNDLER.command) :]


class Failed(Exception):
    """Raised by a Command to end with an exit code and a text on each stream."""

    def __init__(self, exit_code: int, stderr: str, stdout: str = "") -> None:
        super().__init__(stderr)
        self.exit_code = exit_code
        self.stderr, self.stdout = stderr, stdout


@dataclass(frozen=True)
class Done:
    """What of FallibleProcessResult is looked at."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    output_digest: Digest


@dataclass(frozen=True)
class Prefix:
    """What the engine's own AddPrefix is, which nobody can look into."""

    digest: Digest
    prefix: str


class FakeEngine:
    """`programs`: name -> path. `targets`: address, as a field writes it, -> target.

    `files`: the repository, of which those in `executable` have the bit. `sources`: address ->
    paths of `files` that are there for the target.
    `served`: URL -> content; `downloads`: the URLs of each call. `environment`: of the user.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self.processes: list[Process] = []
        #: What was looked at again, and how the machine answers to that, or to None.
        self.looks: list[str] = []
        self.machine: Callable[[str | None], str] = lambda consulted: SWEPT
        self.programs: dict[str, str] = {}
        #: Paths of interpreters that end with a failure, and of those with other wheels.
        self.broken: set[str] = set()
        self.unserved: set[str] = set()
        self.targets: dict[str, Target] = {}
        self.files: dict[str, bytes] = {}
        self.executable: set[str] = set()
        self.sources: dict[str, tuple[str, ...]] = {}
        self.served: dict[str, bytes] = {}
        self.downloads: list[tuple[str, ...]] = []
        self.environment: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._trees: dict[Digest, dict[str, FileEntry]] = {EMPTY_DIGEST: {}}
        self._links: dict[Digest, list[SymlinkEntry]] = {}

    # -- For tests -------------------------------------------------------------------------------

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(steps)

    def file(self, content: bytes) -> FileDigest:
        sha = hashlib.sha256(content).hexdigest()
        self._contents[sha] = content
        return FileDigest(sha, len(content))

    def entry(self, path: str, content: bytes) -> FileEntry:
        return FileEntry(path, self.file(content))

    def content(self, entry: FileEntry) -> bytes:
        return self._contents[entry.file_digest.fingerprint]

    def tree(self, digest: Digest | None) -> dict[str, bytes]:
        assert digest is not None
        return {path: self.content(entry) for path, entry in self._trees[digest].items()}

    def links(self, digest: Digest) -> dict[str, str]:
        """A tree may hold links beside its files; a test that has some puts and reads them so."""
        return {link.path: link.target for link in self._links.get(digest, ())}

    def store(self, entries: Iterable[FileEntry | SymlinkEntry]) -> Digest:
        links = [entry for entry in entries if isinstance(entry, SymlinkEntry)]
        files = [entry for entry in entries if isinstance(entry, FileEntry)]
        listed = sorted((e.path, e.file_digest.fingerprint, e.is_executable) for e in files)
        linked = sorted((link.path, link.target) for link in links)
        digest = Digest(hashlib.sha256(repr((listed, linked)).encode()).hexdigest(), len(listed))
        self._trees[digest] = {entry.path: entry for entry in files}
        self._links[digest] = links
        return digest

    def commands(self) -> list[str]:
        return [arguments(process)[0] for process in self.processes]

    def add(self, target: Target, files: Tree | None = None) -> None:
        """The target, with the files that its sources are."""
        self.targets[str(target.address)] = target
        self.files.update(files or {})
        self.sources[str(target.address)] = tuple(files or ())

    def _from_repository(self, paths: Iterable[str]) -> Digest:
        return self.store(
            [
                FileEntry(path, self.file(self.files[path]), path in self.executable)
                for path in paths
                if path in self.files
            ]
        )

    # -- The engine's calls ----------------------------------------------------------------------

    async def create_digests(self, requests: Sequence[CreateDigest]) -> tuple[Digest, ...]:
        return tuple(
            self.store(
                [
                    self.entry(entry.path, entry.content)
                    if isinstance(entry, FileContent)
                    else cast("FileEntry | SymlinkEntry", entry)
                    for entry in request
                ]
            )
            for request in requests
        )

    async def merge_all(self, digests: Iterable[Digest]) -> Digest:
        merged: dict[str, FileEntry | SymlinkEntry] = {}
        for digest in digests:
            merged.update(self._trees[digest])
            merged.update({link.path: link for link in self._links.get(digest, ())})
        return self.store(list(merged.values()))

    async def digest_entries_all(self, digests: Sequence[Digest]) -> tuple[DigestEntries, ...]:
        return tuple(
            DigestEntries([*self._trees[digest].values(), *self._links.get(digest, ())])
            for digest in digests
        )

    async def digest_contents_all(self, digests: Sequence[Digest]) -> tuple[DigestContents, ...]:
        return tuple(
            DigestContents(
                FileContent(path, content) for path, content in self.tree(digest).items()
            )
            for digest in digests
        )

    async def add_prefixes(self, requests: Sequence[Prefix]) -> tuple[Digest, ...]:
        return tuple(
            self.store(
                [
                    FileEntry(f"{request.prefix}/{path}", entry.file_digest, entry.is_executable)
                    for path, entry in self._trees[request.digest].items()
                ]
            )
            for request in requests
        )

    async def digest_of_files(self, paths: Sequence[str]) -> Digest:
        return self._from_repository(paths)

    async def resolve_all(self, requests: Sequence[UnparsedAddressInputs]) -> tuple[Targets, ...]:
        return tuple(
            Targets(self.targets[value] for value in request.values) for request in requests
        )

    async def package_field_sets(self, targets: Sequence[Target]) -> Any:
        """None of them can be packaged: all generate files."""
        return SimpleNamespace(collection=[() for _ in targets])

    async def build_packages(self, field_sets: Sequence[Any]) -> tuple[Any, ...]:
        assert not field_sets
        return ()

    async def hydrate_all(
        self, requests: Sequence[HydrateSourcesRequest]
    ) -> tuple[HydratedSources, ...]:
        return tuple(self._hydrate(str(request.field.address)) for request in requests)

    def _hydrate(self, address: str) -> HydratedSources:
        paths = self.sources[address]
        snapshot = SimpleNamespace(files=paths, digest=self._from_repository(paths))
        return cast(HydratedSources, SimpleNamespace(snapshot=snapshot))

    async def download_all(self, files: Sequence[DownloadFile]) -> tuple[Digest, ...]:
        self.downloads.append(tuple(file.url for file in files))
        return tuple(self._download(file) for file in files)

    async def attempt_downloads(self, files: Sequence[DownloadFile]) -> tuple[Attempted, ...]:
        self.downloads.append(tuple(file.url for file in files))
        return tuple(self._attempt(file) for file in files)

    def _attempt(self, file: DownloadFile) -> Attempted:
        try:
            self._download(file)
        except Exception as error:
            return Attempted(" ".join(str(error).split()))
        return Attempted(None)

    def _download(self, file: DownloadFile) -> Digest:
        content = self.served.get(file.url)
        if content is None:
            raise Exception(f"Error downloading file:\n {file.url} (404 Not Found)")
        if self.file(content) != file.expected_digest:
            raise Exception(f"The file at {file.url} has another digest")
        return self.store([self.entry(file.url.rpartition("/")[2], content)])

    async def environment_variables(self, names: Sequence[str]) -> EnvironmentVars:
        return EnvironmentVars(
            {name: self.environment[name] for name in names if name in self.environment}
        )

    async def look(self, look: Look) -> Looked:
        if look.consulted is not None:
            self.looks.append(look.consulted)
        return Looked(self.machine(look.consulted))

    async def build_pex(self, request: PexRequest, environment: EnvironmentName) -> Pex:
        return Pex(EMPTY_DIGEST, request.output_filename, request.python)

    async def find_program(self, request: BinaryPathRequest) -> BinaryPaths:
        path = self.programs.get(request.binary_name)
        return BinaryPaths(request.binary_name, [BinaryPath(path)] if path else [])

    async def execute_all(self, processes: Sequence[Process]) -> tuple[FallibleProcessResult, ...]:
        return tuple(self._execute(process) for process in processes)

    def _execute(self, process: Process) -> FallibleProcessResult:
        if process.argv[: len(BUNDLER.command)] != BUNDLER.command:
            # What makes the tool itself.
            code = int(process.argv[0] in self.broken)
            printed = b"other\n" if process.argv[0] in self.unserved else SERVED.encode() + b"\n"
            done = SimpleNamespace(exit_code=code, stdout=printed, output_digest=EMPTY_DIGEST)
            return cast(FallibleProcessResult, done)
        self.processes.append(process)
        inputs = self.tree(process.input_digest)
        try:
            written = self.command(arguments(process), inputs)
            ended = Failed(0, "")
        except Failed as failed:
            written, ended = {}, failed
        output = self.store([self.entry(path, content) for path, content in written.items()])
        said = (ended.stdout.encode(), ended.stderr.encode())
        return cast(FallibleProcessResult, Done(ended.exit_code, *said, output))


_CALLS = (
    "add_prefixes",
    "attempt_downloads",
    "build_packages",
    "build_pex",
    "create_digests",
    "digest_contents_all",
    "digest_entries_all",
    "digest_of_files",
    "download_all",
    "environment_variables",
    "execute_all",
    "find_program",
    "hydrate_all",
    "look",
    "merge_all",
    "package_field_sets",
    "resolve_all",
)


def install(monkeypatch: pytest.MonkeyPatch, command: Command) -> FakeEngine:
    fake = FakeEngine(command)
    monkeypatch.setattr(executables, "AddPrefix", Prefix)
    for name in _CALLS:
        monkeypatch.setattr(engine, name, getattr(fake, name))
    monkeypatch.setattr(bundler, "_built", inspect.unwrap(bundler.build_bundler))
    monkeypatch.setattr(host, "_found_state", inspect.unwrap(host.find_host_state))
    return fake
