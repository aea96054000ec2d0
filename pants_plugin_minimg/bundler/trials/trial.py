"""Runs an image's own process in its own tree, case by case, and compares what it does.

Nothing of the result reaches an image: it is a report.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.durations import nanoseconds
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.isolation import materialize
from pants_plugin_minimg.bundler.isolation.command import (
    Command,
    Http,
    Isolation,
    Outcome,
    Unusable,
)
from pants_plugin_minimg.bundler.plan import order
from pants_plugin_minimg.bundler.verification import documents, tree

#: Where an emulator of another architecture stands in the tree.
EMULATOR = "/.minimg-emulator"
#: What the kernel calls a machine -> what it runs, by OCI's names.
MACHINES = {
    "x86_64": ("amd64", "386"),
    "aarch64": ("arm64",),
    "armv7l": ("arm",),
    "riscv64": ("riscv64",),
    "ppc64le": ("ppc64le",),
    "s390x": ("s390x",),
}
_UNPACKED_LIMIT = 64 << 30
#: What is shown of a stream, in lines.
_TAIL = 20


@dataclass(frozen=True)
class Case:
    """One run. `args` stand in for the image's `cmd`; expectations that are None expect nothing.

    `timeout` is in seconds, `mounts`: path in the image -> path here. Regular expressions are
    searched for in the stream, which is read as UTF-8.
    """

    name: str
    args: tuple[str, ...] | None
    stdin: bytes
    env: Mapping[str, str]
    mounts: Mapping[str, str]
    timeout: float
    read_only: bool
    exit_code: int | None
    stdout: re.Pattern[str] | None
    stderr: re.Pattern[str] | None
    http: Http | None
    http_status: int
    http_body: re.Pattern[str] | None
    trace: bool = False


@dataclass(frozen=True)
class Process:
    """What the image's config says of its process; `user` as it is there."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    uid: int
    gid: int
    architecture: str


def load(path: str) -> list[Case]:
    """Raises MinimgError MINIMG-E001 for what is no such file, MINIMG-E018 for an expression that
    is none."""
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        return [_case(case) for case in raw["cases"]]


def _case(raw: dict[str, Any]) -> Case:
    http = raw.get("http")
    args = raw.get("args")
    return Case(
        name=str(raw["name"]),
        args=None if args is None else tuple(map(str, args)),
        stdin=str(raw.get("stdin") or "").encode(),
        env={str(key): str(value) for key, value in (raw.get("env") or {}).items()},
        mounts={str(key): str(value) for key, value in (raw.get("mounts") or {}).items()},
        timeout=nanoseconds(raw["timeout"]) / 1e9,
        read_only=bool(raw.get("read_only")),
        exit_code=raw.get("exit_code"),
        stdout=_pattern(raw, "stdout"),
        stderr=_pattern(raw, "stderr"),
        http=None if http is None else Http(int(http["port"]), str(http["path"])),
        http_status=200 if http is None else int(http["status"]),
        http_body=None if http is None else _pattern(http, "body"),
        trace=bool(raw.get("trace")),
    )


def _pattern(raw: dict[str, Any], key: str) -> re.Pattern[str] | None:
    if raw.get(key) is None:
        return None
    try:
        return re.compile(str(raw[key]), re.MULTILINE)
    except re.error as error:
        raise MinimgError(
            "MINIMG-E018", str(raw.get("name", "http")), f"{raw[key]!r} is no expression: {error}"
        ) from None


def unpack(image: str, scratch: str) -> tuple[Process, str]:
    """The process of the image in the tar `image`, and a folder with its tree below `scratch`.

    Raises Problems where the image is none of ours, and MinimgError MINIMG-E015 for a user by a
    name that it has not.
    """
    archive = documents.Archive(image)
    found, problems = documents.read_one(archive)
    problems = [*archive.problems, *problems]
    if found is None or problems:
        raise Problems(problems)
    made, problems = tree.read(found.layers, found.created, _UNPACKED_LIMIT, scratch)
    if problems:
        raise Problems(problems)
    root = os.path.join(scratch, "root")
    entries = sorted(made.entries().values(), key=order)
    materialize.write(entries, lambda entry: made.root.open(entry.path), root)
    raw = found.config.get("config") or {}
    uid, gid = _user(raw.get("User") or "0", root)
    env = dict(pair.partition("=")[::2] for pair in raw.get("Env") or ())
    return Process(
        tuple(raw.get("Entrypoint") or ()),
        tuple(raw.get("Cmd") or ()),
        env,
        raw.get("WorkingDir") or "/",
        uid,
        gid,
        str(found.config.get("architecture")),
    ), root


def _user(value: str, root: str) -> tuple[int, int]:
    """As engines read it: numbers, or names of the image's own files."""
    name, _, group = value.partition(":")
    uid, gid = _number(name, root, "passwd"), None
    if group:
        gid = _number(group, root, "group")
    elif not name.isdigit():
        gid = int(_line(name, root, "passwd")[3])
    return uid, 0 if gid is None else gid


def _number(name: str, root: str, database: str) -> int:
    return int(name) if name.isdigit() else int(_line(name, root, database)[2])


def _line(name: str, root: str, database: str) -> list[str]:
    path = os.path.join(root, "etc", database)
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.rstrip("\n").split(":")
                if fields[0] == name and len(fields) > 3:
                    return fields
    raise MinimgError("MINIMG-E015", name, f"it is not in the image's /etc/{database}")


def with_copied_mounts(cases: Sequence[Case], scratch: str) -> list[Case]:
    """What is mounted must be readable for the image's user, wherever it lies."""
    copies: dict[str, str] = {}
    for source in (source for case in cases for source in case.mounts.values()):
        if source in copies:
            continue
        copies[source] = os.path.join(scratch, f"mount-{len(copies)}")
        if os.path.isdir(source):
            shutil.copytree(source, copies[source], symlinks=True)
        else:
            shutil.copyfile(source, copies[source])
            shutil.copymode(source, copies[source])
        for folder, _, names in os.walk(copies[source]):
            os.chmod(folder, 0o755)
            for name in names:
                _make_readable(os.path.join(folder, name))
        if not os.path.isdir(copies[source]):
            _make_readable(copies[source])
    return [
        replace(case, mounts={path: copies[source] for path, source in case.mounts.items()})
        for case in cases
    ]


def _make_readable(path: str) -> None:
    if not os.path.islink(path):
        os.chmod(path, 0o755 if os.stat(path).st_mode & 0o111 else 0o644)


def mount_points(cases: Sequence[Case], root: str, emulated_by: str | None) -> None:
    """Where something is mounted, something must be there."""
    more = {} if emulated_by is None else {EMULATOR: emulated_by}
    for mounts in (more, *(case.mounts for case in cases)):
        for path, source in mounts.items():
            target = os.path.join(root, path.lstrip("/"))
            if os.path.lexists(target):
                continue
            if os.path.isdir(source):
                os.makedirs(target)
            else:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                open(target, "wb").close()


def emulator(architecture: str, emulators: Mapping[str, str]) -> str | None:
    """The program that runs the image's, by `emulators` (OCI's architecture -> path); None where
    this machine does. Raises Unusable."""
    if architecture in MACHINES.get(platform.machine(), ()):
        return None
    if architecture not in emulators:
        raise Unusable(f"the image is for {architecture}, and there is no emulator for that")
    return emulators[architecture]


def run(
    case: Case,
    process: Process,
    isolation: Isolation,
    emulated_by: str | None = None,
    trace: str | None = None,
) -> list[str]:
    """What is wrong with one case, nothing when it is as expected. `trace` is a file to write."""
    args = process.cmd if case.args is None else case.args
    argv, mounts = (*process.entrypoint, *args), dict(case.mounts)
    if emulated_by is not None:
        argv, mounts = (EMULATOR, *argv), {**mounts, EMULATOR: emulated_by}
    command = Command(
        argv=argv,
        env={**process.env, **case.env},
        cwd=process.cwd,
        uid=process.uid,
        gid=process.gid,
        stdin=case.stdin,
        timeout=case.timeout,
        read_only=case.read_only,
        mounts=mounts,
        http=case.http,
        trace=trace,
    )
    outcome = isolation.run(command)
    wrong = list(_differences(case, outcome))
    if wrong:
        wrong += [*_shown("stdout", outcome.stdout), *_shown("stderr", outcome.stderr)]
    return wrong


def _differences(case: Case, outcome: Outcome) -> Iterator[str]:
    if outcome.timed_out:
        yield f"it did not end within {case.timeout:g} s"
    if case.http is not None:
        yield from _answer(case, outcome)
    elif not outcome.timed_out and case.exit_code not in (None, outcome.status):
        yield f"exit status {outcome.status}, expected {case.exit_code}"
    for name, pattern, raw in (
        ("stdout", case.stdout, outcome.stdout),
        ("stderr", case.stderr, outcome.stderr),
    ):
        if pattern is not None and not pattern.search(raw.decode("utf-8", "replace")):
            yield f"{name} has nothing that matches {pattern.pattern!r}"


def _answer(case: Case, outcome: Outcome) -> Iterator[str]:
    assert case.http is not None
    where = f"port {case.http.port}, {case.http.path}"
    answer = outcome.answer
    if answer is None or answer.status is None:
        why = answer.body.decode("utf-8", "replace") if answer else "it was not asked"
        ended = "" if outcome.status is None else f"; the service ended with {outcome.status}"
        yield f"no answer at {where}: {why}{ended}"
        return
    if answer.status != case.http_status:
        yield f"{where} answers {answer.status}, expected {case.http_status}"
    body = answer.body.decode("utf-8", "replace")
    if case.http_body is not None and not case.http_body.search(body):
        yield f"the body at {where} has nothing that matches {case.http_body.pattern!r}"


def _shown(name: str, raw: bytes) -> list[str]:
    lines = raw.decode("utf-8", "backslashreplace").splitlines()
    more = [f"  … {len(lines) - _TAIL} lines before"] if len(lines) > _TAIL else []
    return [f"{name}:", *more, *(f"  {line}" for line in lines[-_TAIL:])] if lines else []


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that all users can pass to, as the tree's own user must."""
    made = tempfile.TemporaryDirectory(prefix="minimg-trial-", dir="/tmp")
    os.chmod(made.name, 0o755)
    return made
