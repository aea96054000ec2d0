"""`generate-lockfiles` for `debian_sysroot` targets: the names, the requests, a whole run."""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pants.base.build_environment import get_buildroot
from pants.core.goals import generate_lockfiles
from pants.core.goals.generate_lockfiles import (
    GenerateLockfileResult,
    GenerateLockfilesGoal,
    KnownUserResolveNames,
    UserGenerateLockfiles,
)
from pants.core.target_types import FileTarget
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import QueryRule
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register
from pants_plugin_minimg.bundler.debian import lockfile
from pants_plugin_minimg.engine import StandardSearchPath
from pants_plugin_minimg.goals import lock
from pants_plugin_minimg.goals.lock import (
    GenerateDebianLock,
    KnownDebianResolvesRequest,
    RequestedDebianResolves,
)
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from tests.bundler.debian import archive
from tests.bundler.debian.mirror import Archive
from tests.rules import debian_lock
from tests.rules.debian_archive import archive_in, tool
from tests.rules.fake_engine import ACCESS, Failed, FakeEngine, Tree, install
from tests.rules.support import plugin_rules, run_goal, set_options

BUILD = """\
file(name="x", source="x")
debian_sysroot(name="small", suites=["bookworm"], packages=["tool"], lockfile="small.lock")
debian_sysroot(
    name="second", resolve="other-name", suites=["bookworm"], packages=["other"],
    lockfile="sub/second.lock",
)
"""


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *generate_lockfiles.rules(),
            QueryRule(KnownUserResolveNames, [KnownDebianResolvesRequest]),
            QueryRule(UserGenerateLockfiles, [RequestedDebianResolves]),
        ],
        target_types=[*register.target_types(), FileTarget],
    )
    rule_runner.write_files({"s/BUILD": BUILD, "s/x": ""})
    set_options(rule_runner)
    return rule_runner


def test_every_sysroot_is_a_resolve(rule_runner: RuleRunner) -> None:
    known = rule_runner.request(KnownUserResolveNames, [KnownDebianResolvesRequest()])
    assert sorted(known.names) == ["other-name", "small"]
    assert known.requested_resolve_names_cls is RequestedDebianResolves
    assert "`debian_sysroot`" in known.option_name


def test_what_is_asked_for_is_locked_to_the_targets_file(rule_runner: RuleRunner) -> None:
    def asked(*names: str) -> list[tuple[str, str, str]]:
        found = rule_runner.request(UserGenerateLockfiles, [RequestedDebianResolves(names)])
        assert all(isinstance(item, GenerateDebianLock) for item in found)
        return [
            (item.resolve_name, item.lockfile_dest, str(item.target.address))
            for item in found
            if isinstance(item, GenerateDebianLock)
        ]

    small = ("small", "s/small.lock", "s:small")
    second = ("other-name", "s/sub/second.lock", "s:second")
    assert asked("small") == [small]
    assert asked("other-name") == [second]
    assert sorted(asked("small", "other-name")) == [second, small]
    assert asked("python-default") == []


# -- The request ----------------------------------------------------------------------------------


class Locking:
    def __init__(self, changes: list[str]) -> None:
        self.changes = changes
        self.request: dict[str, Any] = {}
        self.argv: tuple[str, ...] = ()
        self.inputs: list[str] = []

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert argv[:2] == ("lock", "--request=request.json") and argv[-1] == "--out=out"
        self.argv = argv
        self.inputs = sorted(inputs)
        self.request = json.loads(inputs["request.json"])
        return {
            "out/lock.toml": b"the new lock",
            "out/changes.json": json.dumps(self.changes).encode(),
        }


def generate(
    fake: FakeEngine, timestamp: str | None = None, **values: Any
) -> GenerateLockfileResult:
    target = debian_lock.sysroot(**values)
    options = create_subsystem(
        DebianSubsystem,
        mirrors=["http://mirror.test/debian"],
        keyrings=["keys/a.gpg", "/keys/b.gpg"],
        timestamp=timestamp,
    )
    request = GenerateDebianLock("bookworm", debian_lock.PATH, False, target)
    search_path = StandardSearchPath(("/usr/bin",))
    generate_lock = inspect.unwrap(lock.generate_debian_lock)
    return fake.run(generate_lock(request, options, ACCESS, search_path))


def test_the_request_has_the_targets_fields_and_the_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locking = Locking([])
    fake = install(monkeypatch, locking)
    fake.programs["gpgv"] = "/usr/bin/gpgv"
    result = generate(
        fake,
        suites=["bookworm", "bookworm-security"],
        components=["main", "contrib"],
        architectures=["amd64", "arm64"],
        packages=["git", "less"],
    )
    assert locking.request == {
        "version": 1,
        "resolve": "bookworm",
        "address": "s:bookworm",
        "suites": ["bookworm", "bookworm-security"],
        "components": ["main", "contrib"],
        "architectures": ["amd64", "arm64"],
        "packages": ["git", "less", "base-files"],
        "mirrors": ["http://mirror.test/debian"],
        "apt": "/etc/apt",
        "keyrings": [os.path.join(get_buildroot(), "keys/a.gpg"), "/keys/b.gpg"],
        "gpgv": "/usr/bin/gpgv",
        "lockfile": debian_lock.PATH,
        "previous": None,
    }
    assert locking.inputs == ["request.json"]
    assert fake.tree(result.digest) == {debian_lock.PATH: b"the new lock"}
    assert (result.resolve_name, result.path) == ("bookworm", debian_lock.PATH)


def test_without_gpgv_the_program_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    locking = Locking([])
    generate(install(monkeypatch, locking))
    assert locking.request["gpgv"] is None


def test_the_old_lock_comes_along_and_what_changed_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    locking = Locking(["git: 1 -> 2 (amd64)", "less: 1 added (amd64)"])
    fake = install(monkeypatch, locking)
    fake.files[debian_lock.PATH] = b"the old lock"
    with caplog.at_level(logging.INFO):
        generate(fake)
    assert locking.request["previous"] == debian_lock.PATH
    assert locking.inputs == ["request.json", debian_lock.PATH]
    assert [record.getMessage() for record in caplog.records] == [
        "bookworm: git: 1 -> 2 (amd64)",
        "bookworm: less: 1 added (amd64)",
    ]


def test_that_nothing_changed_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        generate(install(monkeypatch, Locking([])))
    assert [record.getMessage() for record in caplog.records] == ["bookworm: nothing changed"]


def test_the_archive_is_asked_anew_in_every_run_over_the_users_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locking = Locking([])
    fake = install(monkeypatch, locking)
    fake.environment = {"https_proxy": "http://proxy.test:3128", "SECRET": "x"}
    generate(fake, timestamp="20251101T000000Z")
    (process,) = fake.processes
    assert process.cache_scope == ProcessCacheScope.PER_SESSION
    assert "--timestamp=20251101T000000Z" in locking.argv
    assert process.env is not None
    assert process.env["https_proxy"] == "http://proxy.test:3128"
    assert "SECRET" not in process.env and process.env["TZ"] == "UTC"


def test_without_a_timestamp_the_archive_says_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    locking = Locking([])
    generate(install(monkeypatch, locking))
    assert locking.argv == ("lock", "--request=request.json", "--out=out")


def test_a_problem_names_the_sysroot(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        raise Failed(2, "MINIMG-E025 http://mirror.test: the mirror is out of date.\n")

    with pytest.raises(BundlerError, match="^MINIMG-E025 s:bookworm: http://mirror.test: the "):
        generate(install(monkeypatch, command))


# -- A whole run ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[archive.Key]:
    made = archive.key(tmp_path_factory.mktemp("key"))
    yield made
    archive.forget(made.home)


@pytest.fixture
def mirror(tmp_path: Path, key: archive.Key) -> Archive:
    made = archive_in(tmp_path / "mirror", key)
    made.write()
    return made


def run_lock(rule_runner: RuleRunner, mirror: Archive, ring: str, *args: str) -> int:
    return run_goal(
        rule_runner,
        GenerateLockfilesGoal,
        [f"--minimg-debian-mirrors=['{mirror.url}']", f"--minimg-debian-keyrings=['{ring}']"],
        args,
    )


def locked(rule_runner: RuleRunner, path: str) -> dict[str, str]:
    found = lockfile.load(os.path.join(rule_runner.build_root, path))
    return {package.name: package.version for package in found.package}


def test_a_lock_is_written_and_written_again(
    rule_runner: RuleRunner, mirror: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    path = os.path.join(rule_runner.build_root, "s/small.lock")
    assert run_lock(rule_runner, mirror, mirror.key.ring, "--resolve=small") == 0
    assert locked(rule_runner, "s/small.lock") == {"base-files": "12.4", "tool": "1.0"}
    assert not os.path.exists(os.path.join(rule_runner.build_root, "s/sub/second.lock"))
    first = Path(path).read_bytes()
    assert b"generate-lockfiles --resolve=small" in first and b"://" not in first

    mirror.packages[1] = tool("2.0")
    mirror.write()
    rule_runner.new_session("again")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert run_lock(rule_runner, mirror, mirror.key.ring) == 0
    assert locked(rule_runner, "s/small.lock") == {"base-files": "12.4", "tool": "2.0"}
    assert locked(rule_runner, "s/sub/second.lock") == {"base-files": "12.4", "other": "1.0"}
    said = [record.getMessage() for record in caplog.records]
    assert "small: tool: 1.0 -> 2.0 (amd64)" in said
    assert "other-name: other: 1.0 added (amd64)" in said


def test_a_refused_archive_leaves_the_lock_as_it_was(
    rule_runner: RuleRunner, mirror: Archive, tmp_path: Path
) -> None:
    rule_runner.write_files({"s/small.lock": "what was there\n"})
    other = archive.key(tmp_path, "other")
    try:
        with pytest.raises(ExecutionError) as caught:
            run_lock(rule_runner, mirror, other.ring, "--resolve=small")
    finally:
        archive.forget(other.home)
    cause = str(list(caught.value.wrapped_exceptions)[0])
    assert cause.startswith("MINIMG-E025 ") and "Traceback" not in cause
    assert Path(rule_runner.build_root, "s/small.lock").read_text() == "what was there\n"
