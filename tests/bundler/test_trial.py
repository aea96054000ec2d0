"""`trial` of a real image, by each means of isolation that works here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.isolation import bubblewrap, container
from pants_plugin_minimg.bundler.isolation.command import Unusable
from tests import interrupts
from tests.bundler.images import directory, file, image, put, with_parents
from tests.bundler.implied import compiled
from tests.requirements import program, unavailable, working

SOURCE = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
extern char **environ;

static int serve(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    char request[4096];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 5)) return 9;
    for (;;) {
        int client = accept(listener, 0, 0);
        if (read(client, request, sizeof request) > 0)
            dprintf(client, "HTTP/1.0 %s\r\n\r\nuid %d\n",
                    strncmp(request, "GET /gone", 9) ? "200 OK" : "404 Gone", getuid());
        close(client);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "id")) printf("%d:%d\n", getuid(), getgid());
    else if (!strcmp(what, "env")) for (char **e = environ; *e; e++) puts(*e);
    else if (!strcmp(what, "cwd")) puts(getcwd(malloc(4096), 4096));
    else if (!strcmp(what, "cat")) { int c; while ((c = getchar()) != EOF) putchar(c); }
    else if (!strcmp(what, "open")) {
        FILE *f = fopen(argv[2], argc > 3 ? argv[3] : "r");
        if (!f) { perror(argv[2]); return 1; }
        char line[100]; if (fgets(line, sizeof line, f)) fputs(line, stdout);
    }
    else if (!strcmp(what, "exit")) return atoi(argv[2]);
    else if (!strcmp(what, "die")) { raise(SIGSEGV); }
    else if (!strcmp(what, "sleep")) { puts("asleep"); fflush(stdout); if (!fork()) sleep(600); sleep(600); }
    else if (!strcmp(what, "serve")) return serve(atoi(argv[2]));
    else if (!strcmp(what, "much")) for (int i = 0; i < 3000000; i++) puts("0123456789");
    return 0;
}
"""  # noqa: E501


def _bubblewrap() -> list[str]:
    path = program("bwrap")
    try:
        bubblewrap.check(path, (65532, 65532) if os.getuid() == 0 else None)
    except Unusable as reason:
        unavailable(str(reason))
    return ["--bubblewrap", path]


def _engine(name: str) -> list[str]:
    path = program(name)
    try:
        container.check(path)
    except Unusable as reason:
        unavailable(str(reason))
    return ["--engine", path]


@pytest.fixture(params=["bubblewrap", "docker"])
def means(request: Any) -> list[str]:
    return _bubblewrap() if request.param == "bubblewrap" else _engine(request.param)


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("trial")
    binary = compiled(tmp, "tool", SOURCE, "-static", "-Os")
    tool = put(tmp / "blobs", binary.read_bytes())
    secret, open_ = put(tmp / "blobs", b"secret\n"), put(tmp / "blobs", b"open\n")
    entries = [
        file(b"/bin/tool", tool, 0o755),
        file(b"/etc/secret", secret, 0o600),
        file(b"/etc/open", open_, 0o644),
        directory(b"/data", 0o750, uid=65532, gid=65532),
        directory(b"/work"),
    ]
    config = {
        "entrypoint": ["/bin/tool"], "cmd": ["id"], "user": "65532:7", "workdir": "/work",
        "env": {"A": "image", "B": "b"},
    }  # fmt: skip
    made, _ = image(tmp, with_parents(entries), config)
    return made


class Trial:
    def __init__(self, tar: Path, tmp_path: Path, means: list[str]) -> None:
        self.tar, self.tmp_path, self.means = tar, tmp_path, means

    def words(self, *cases: dict[str, Any]) -> list[str]:
        path = self.tmp_path / "cases.json"
        each = [{"name": f"case {n}", "timeout": "20s", **case} for n, case in enumerate(cases)]
        path.write_text(json.dumps({"version": 1, "cases": each}))
        return ["trial", "--image", str(self.tar), "--cases", str(path), *self.means]

    def run(self, *cases: dict[str, Any]) -> int:
        return commands.main(self.words(*cases))


@pytest.fixture
def trial(tar: Path, tmp_path: Path, means: list[str]) -> Trial:
    return Trial(tar, tmp_path, means)


def test_the_image_runs_as_its_config_says(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "file").write_text("from outside\n")
    (tmp_path / "mounted").chmod(0o700)
    cases: list[dict[str, Any]] = [
        {"stdout": r"^65532:7\n\Z", "exit_code": 0},  # `cmd` by itself
        {"args": ["env"], "env": {"B": "case"}, "stdout": r"(?s)(?=.*^A=image$)(?=.*^B=case$)"},
        {"args": ["cwd"], "stdout": r"\A/work\n\Z"},
        {"args": ["cat"], "stdin": "in and out\n", "stdout": r"\Ain and out\n\Z"},
        {"args": ["exit", "7"], "exit_code": 7},
        {"args": ["die"], "exit_code": 139},
        {"args": ["open", "/etc/open"], "stdout": "open", "exit_code": 0},
        {"args": ["open", "/etc/secret"], "stderr": "Permission denied", "exit_code": 1},
        {"args": ["open", "/data/new", "w"], "exit_code": 0},
        {"args": ["open", "/data/other", "w"], "read_only": True, "stderr": "Read-only",
         "exit_code": 1},
        {"args": ["open", "/etc/hostname.not"], "exit_code": 1},
        {"args": ["open", "/usr/bin/env"], "exit_code": 1, "stderr": "No such file"},
        {"args": ["open", "/in/file"], "mounts": {"/in": str(tmp_path / "mounted")},
         "stdout": "from outside"},
        {"args": ["open", "/in/file", "w"], "mounts": {"/in": str(tmp_path / "mounted")},
         "exit_code": 1},
    ]  # fmt: skip
    assert trial.run(*cases) == 0


def test_what_is_not_as_expected_is_told_with_the_output(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: list[dict[str, Any]] = [
        {"args": ["exit", "3"], "exit_code": 0},
        {"args": ["cat"], "stdin": "something\n", "stdout": "else", "stderr": "x"},
        {"args": ["id"], "exit_code": 0},
    ]
    assert trial.run(*cases) == 1
    out = capsys.readouterr().out
    assert "case 0: FAILED" in out and "exit status 3, expected 0" in out
    assert "stdout has nothing that matches 'else'" in out
    assert "stderr has nothing that matches 'x'" in out
    assert "stdout:\n    something\n" in out
    assert "case 2: passed" in out


def test_the_time_is_limited_and_nothing_is_left(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    name = trial.tmp_path.as_posix()  # other tests have such a program too
    assert trial.run({"args": ["sleep", name], "timeout": "2s", "exit_code": 0}) == 1
    out = capsys.readouterr().out
    assert "it did not end within 2 s" in out and "asleep" in out
    assert _running(name) == []


def test_an_interrupt_ends_what_runs(trial: Trial) -> None:
    name = trial.tmp_path.as_posix()
    words = trial.words({"args": ["sleep", name], "timeout": "600s"})
    with subprocess.Popen(
        [sys.executable, "-m", "pants_plugin_minimg.bundler", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=interrupts.heard,
    ) as running:
        while not _running(name) and running.poll() is None:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate()
    assert (running.returncode, said) == (130, b"")
    assert _running(name) == []


def _running(name: str) -> list[str]:
    """The numbers of the processes that sleep under a name."""
    found = []
    command = f"/bin/tool\0sleep\0{name}\0".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words == command:
                found.append(entry.name)
    return found


def test_a_service_is_asked_and_stopped(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"port": 8080, "path": "/", "status": 200, "body": "^uid 65532$"}
    gone = {"port": 8080, "path": "/gone", "status": 404}
    serve = {"args": ["serve", "8080"]}
    assert trial.run({**serve, "http": answer}, {**serve, "http": gone}) == 0
    wrong = {"port": 8080, "path": "/gone", "status": 200, "body": "hello"}
    assert trial.run({**serve, "http": wrong}) == 1
    out = capsys.readouterr().out
    assert "port 8080, /gone answers 404, expected 200" in out
    assert "the body at port 8080, /gone has nothing that matches 'hello'" in out
    assert trial.run({"args": ["exit", "4"], "http": answer, "timeout": "5s"}) == 1
    assert "no answer at port 8080, /: " in capsys.readouterr().out


def test_much_output_is_cut(trial: Trial) -> None:
    assert trial.run({"args": ["much"], "exit_code": 0, "stdout": "0123456789"}) == 0


def test_nothing_to_run_it_with_is_no_success(
    tar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Trial(tar, tmp_path, []).run({"exit_code": 0}) == 3
    false = shutil.which("false") or ""
    broken = ["--bubblewrap", false, "--engine", false]
    assert Trial(tar, tmp_path, broken).run({"exit_code": 0}) == 3
    assert "bubblewrap does not work here" in capsys.readouterr().out


def test_bubblewrap_needs_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine gives a process an empty PATH, where the C library's own default is not asked."""
    (_, path) = _bubblewrap()
    monkeypatch.setenv("PATH", "")
    bubblewrap.check(path, (65532, 65532) if os.getuid() == 0 else None)


def test_bad_cases_end_with_one_line(
    tar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Trial(tar, tmp_path, [])
    assert trial.run({"stdout": "("}) == 2
    assert trial.run({"timeout": "never"}) == 2
    assert Trial(tmp_path / "gone.tar", tmp_path, []).run({}) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["MINIMG-E018", "MINIMG-E001", "MINIMG-E001"]


def test_a_trace(tar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(tar, tmp_path, [*_bubblewrap(), "--strace", working(["strace", "-V"])])
    case = {"args": ["open", "/etc/none"], "exit_code": 1, "trace": True}
    assert trial.run(case, {"args": ["open", "/etc/open"], "exit_code": 0, "trace": True}) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == [
        "case 0: passed (bubblewrap)",
        "case 1: passed (bubblewrap)",
        "looked for and not in the image:",
        '  /etc/none: if it is needed, `include=["/etc/none"]`',
    ]
    assert said[4].startswith("never read: 1 files, 7 B of ")
    assert said[5].split() == ["7", "B", "/etc/secret"]


def test_a_trace_needs_its_tools(
    tar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = {"args": ["id"], "exit_code": 0, "trace": True}
    assert Trial(tar, tmp_path, _bubblewrap()).run(case) == 3
    assert "there is no strace" in capsys.readouterr().out
    assert Trial(tar, tmp_path, _engine("docker")).run(case) == 3
    assert "docker cannot trace" in capsys.readouterr().out
