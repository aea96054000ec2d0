"""The engine's calls over trees in memory, so that a step is tested without running its process."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from pants.backend.python.util_rules.pex import VenvPexProcess
from pants.core.util_rules.system_binaries import BinaryPath, BinaryPathRequest, BinaryPaths
from pants.engine.fs import (
    CreateDigest,
    Digest,
    DigestContents,
    DigestEntries,
    FileContent,
    FileDigest,
    FileEntry,
)
from pants.engine.process import FallibleProcessResult

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import Bundler

T = TypeVar("T")
Tree = Mapping[str, bytes]
#: The part of the bundler: what a command writes, given its arguments and its input tree.
Command = Callable[[tuple[str, ...], Tree], Tree]

BUNDLER = Bundler(cast(Any, "the venv"))


class Failed(Exception):
    """Raised by a Command to end with an exit code and a text on standard error."""

    def __init__(self, exit_code: int, stderr: str) -> None:
        super().__init__(stderr)
        self.exit_code = exit_code
        self.stderr = stderr


class FakeEngine:
    def __init__(self, command: Command) -> None:
        self.command = command
        self.processes: list[VenvPexProcess] = []
        self.programs: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._trees: dict[Digest, dict[str, FileEntry]] = {}

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

    def store(self, entries: Iterable[FileEntry]) -> Digest:
        listed = sorted((e.path, e.file_digest.fingerprint, e.is_executable) for e in entries)
        digest = Digest(hashlib.sha256(repr(listed).encode()).hexdigest(), len(listed))
        self._trees[digest] = {entry.path: entry for entry in entries}
        return digest

    def commands(self) -> list[str]:
        return [process.argv[0] for process in self.processes]

    # -- The engine's calls ----------------------------------------------------------------------

    async def create_digests(self, requests: Sequence[CreateDigest]) -> tuple[Digest, ...]:
        return tuple(
            self.store(
                [
                    self.entry(entry.path, entry.content)
                    if isinstance(entry, FileContent)
                    else cast(FileEntry, entry)
                    for entry in request
                ]
            )
            for request in requests
        )

    async def merge_all(self, digests: Iterable[Digest]) -> Digest:
        merged: dict[str, FileEntry] = {}
        for digest in digests:
            merged.update(self._trees[digest])
        return self.store(list(merged.values()))

    async def digest_entries_all(self, digests: Sequence[Digest]) -> tuple[DigestEntries, ...]:
        return tuple(DigestEntries(self._trees[digest].values()) for digest in digests)

    async def digest_contents_all(self, digests: Sequence[Digest]) -> tuple[DigestContents, ...]:
        return tuple(
            DigestContents(
                FileContent(path, content) for path, content in self.tree(digest).items()
            )
            for digest in digests
        )

    async def find_program(self, request: BinaryPathRequest) -> BinaryPaths:
        path = self.programs.get(request.binary_name)
        return BinaryPaths(request.binary_name, [BinaryPath(path)] if path else [])

    async def execute_all(
        self, processes: Sequence[VenvPexProcess]
    ) -> tuple[FallibleProcessResult, ...]:
        return tuple(self._execute(process) for process in processes)

    def _execute(self, process: VenvPexProcess) -> FallibleProcessResult:
        self.processes.append(process)
        inputs = self.tree(process.input_digest) if process.input_digest in self._trees else {}
        try:
            written = self.command(process.argv, inputs)
            code, stderr = 0, b""
        except Failed as failed:
            written, code, stderr = {}, failed.exit_code, failed.stderr.encode()
        output = self.store([self.entry(path, content) for path, content in written.items()])
        return cast(
            FallibleProcessResult,
            SimpleNamespace(exit_code=code, stderr=stderr, output_digest=output),
        )


_CALLS = (
    "create_digests",
    "digest_contents_all",
    "digest_entries_all",
    "execute_all",
    "find_program",
    "merge_all",
)


def install(monkeypatch: pytest.MonkeyPatch, command: Command) -> FakeEngine:
    fake = FakeEngine(command)
    for name in _CALLS:
        monkeypatch.setattr(engine, name, getattr(fake, name))
    return fake
