"""A command in a checkout of another revision, with the real git."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as bundler
from pants_plugin_minimg.bundler import revision
from tests import interrupts
from tests.requirements import working

LOOK = "cat file; pwd; ls; echo ${NAME-unset} ${OTHER-unset}"


class Site:
    """A repository with the file `sub/file`, whose content at the tag `old` is `old`."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        working(["git", "--version"])
        for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
            monkeypatch.setenv(name, "/dev/null")
        for role in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{role}_NAME", "x")
            monkeypatch.setenv(f"GIT_{role}_EMAIL", "x@example.org")
        self.root, self.out, self.checkout = tmp / "r", tmp / "out", tmp / "checkout"
        (self.root / "sub").mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        for content in ("old", "new"):
            (self.root / "sub/file").write_text(content + "\n")
            self.git("add", ".")
            self.git("commit", "-q", "-m", content)
            self.git("tag", content)
        (self.root / "sub/file").write_text("not committed\n")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def arguments(self, name: str, script: str, *options: str) -> list[str]:
        return [
            "at-revision", f"--repository={self.root}/sub", f"--revision={name}",
            f"--checkout={self.checkout}", f"--out={self.out}", *options, "--", "sh", "-c", script,
        ]  # fmt: skip

    def assert_clean(self) -> None:
        assert not self.checkout.exists()
        assert len(self.git("worktree", "list").splitlines()) == 1
        assert self.git("status", "--porcelain") == " M sub/file\n"
        assert (self.root / "sub/file").read_text() == "not committed\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_the_command_sees_the_revision(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = site.root / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {site.root}/hooked\n")
    hook.chmod(0o755)
    # As a hook of git is run.
    monkeypatch.setenv("GIT_INDEX_FILE", str(site.root / ".git/no-such-index"))
    assert bundler.main(site.arguments("old", LOOK)) == 0
    assert site.out.read_text().split() == [
        "old", f"{site.checkout}/sub", "file", "unset", "unset"
    ]  # fmt: skip
    monkeypatch.delenv("GIT_INDEX_FILE")
    site.assert_clean()


def test_the_named_variables_alone_are_handed_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "given")
    monkeypatch.setenv("OTHER", "ours")
    names = tmp_path / "names.json"
    names.write_text(json.dumps(["NAME", "PATH", "NONE"]))
    assert bundler.main(site.arguments("HEAD", LOOK, f"--variables={names}")) == 0
    assert site.out.read_text().split()[-2:] == ["given", "unset"]


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_the_command_makes_is_kept(site: Site, tmp_path: Path, made: bool) -> None:
    script = "mkdir dist && cp file dist" if made else "true"
    options = ["--take=dist", f"--taken={tmp_path}/kept"]
    assert bundler.main(site.arguments("old", script, *options)) == 0
    assert (tmp_path / "kept").exists() == made
    assert not made or (tmp_path / "kept/file").read_text() == "old\n"
    site.assert_clean()


def test_a_command_that_fails(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundler.main(site.arguments("old", "chmod a-w .; exit 3")) == 2
    assert (
        "MINIMG-E047 old: what builds it there ended with exit code 3." in capsys.readouterr().err
    )
    site.assert_clean()


@pytest.mark.parametrize(
    "name,said",
    [
        ("none", "MINIMG-E046 none: it is no revision of "),
        ("--help", "MINIMG-E046 --help: it is no revision of "),
        ("empty", "it has no folder sub/"),
    ],
)
def test_a_revision_that_is_not_there(
    site: Site, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = subprocess.run(
        ["git", "-C", str(site.root), "mktree"], input=b"", capture_output=True, check=True
    )
    site.git(
        "tag", "empty", site.git("commit-tree", "-m", "x", tree.stdout.decode().strip()).strip()
    )
    assert bundler.main(site.arguments(name, LOOK)) == 2
    assert said in capsys.readouterr().err
    site.assert_clean()


def test_no_repository_and_no_git(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()
    arguments = site.arguments("old", LOOK)
    arguments[1] = f"--repository={tmp_path}/plain"
    assert bundler.main(arguments) == 2
    assert "not a git repository" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path / "plain"))
    assert bundler.main(arguments) == 2
    assert "MINIMG-E046 git: it cannot be run: " in capsys.readouterr().err


def started(site: Site, script: str) -> subprocess.Popen[bytes]:
    """`at-revision` with a script that has written something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pants_plugin_minimg.bundler", *site.arguments("old", script)],
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
        preexec_fn=interrupts.heard,
    )
    while not (site.out.exists() and site.out.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_stopped(site: Site, sent: signal.Signals) -> None:
    told = site.root / "../told"
    process = started(
        site, f"trap 'echo told >>{told}; exit 1' INT; echo up; while :; do sleep 0.1; done"
    )
    os.kill(process.pid, sent)
    assert process.wait() == 130
    assert told.read_text() == "told\n"
    site.assert_clean()


def test_one_that_comes_before_the_command_is_kept_in_mind(site: Site) -> None:
    repository = revision.Repository(str(site.root), os.environ)
    stop = revision.Stop()
    with stop.listened_to():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), open(site.out, "wb") as out:
            with repository.checked_out(repository.commit("old"), str(site.checkout)) as made:
                revision.run(["sleep", "600"], made, os.environ, out, stop)
    site.assert_clean()


def test_git_knows_of_nothing_while_the_command_takes_its_time(site: Site) -> None:
    """Pants kills what does not stop at once."""
    told = site.root / "../told"
    process = started(site, f"trap 'echo told >>{told}' INT; echo up; while :; do sleep 0.1; done")
    os.kill(process.pid, signal.SIGINT)
    while len(site.git("worktree", "list").splitlines()) > 1 or not told.exists():
        assert process.poll() is None
        time.sleep(0.01)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (site.root / ".git/worktrees").exists()
