"""./pants with a cache folder of its own: what it installs, finds, and leaves."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launcher.machine import (
    LAUNCHER,
    Done,
    Env,
    Machine,
    finish,
    python_mirror,
    without_python,
)

NOTHING: Env = {}
#: An index that refuses every connection, for whatever reads any of these.
OFFLINE = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_FIND_LINKS": "",
    "UV_OFFLINE": "1",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}


@dataclass(frozen=True)
class Installed:
    machine: Machine
    link: Path
    runs: tuple[Done, Done]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """One is killed as it installs; then two start at once, one through a link from below."""
    machine = Machine(tmp_path_factory.mktemp("with space"))
    killed = machine.start("--version")
    while not list(machine.cache.glob("*/venv/bin")):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    finish(killed)
    assert not list(machine.cache.glob("*/ready"))
    link = machine.root / "link to pants"
    link.symlink_to(os.path.relpath(LAUNCHER, machine.root))
    processes = [
        machine.start("--version"),
        machine.start("--version", launcher=link, below="below"),
    ]
    first, second = (finish(process) for process in processes)
    return Installed(machine, link, (first, second))


def test_two_at_once_after_a_killed_one_both_run_pants(installed: Installed) -> None:
    for run in installed.runs:
        assert (run.exit_code, run.stdout) == (0, "2.17.1\n"), run.stderr


def test_only_one_of_them_installs(installed: Installed) -> None:
    said = "".join(run.stderr for run in installed.runs)
    assert said.count("installing Pants 2.17.1") == 1
    assert installed.machine.installed()


def test_the_next_run_needs_no_network_and_says_nothing(installed: Installed) -> None:
    run = _run_printing_environment(installed.machine, OFFLINE)
    assert (run.exit_code, run.stderr) == (0, "")


def test_nothing_is_left_but_what_runs(installed: Installed) -> None:
    names = {path.name for path in installed.machine.installed().iterdir()}
    assert names == {"pex", "ready", "venv"}
    assert not (installed.machine.home / ".pex").exists()


def test_pants_learns_its_pex_and_its_interpreter(installed: Installed) -> None:
    home = installed.machine.installed()
    env = _environment_of_pants(installed.machine, {"PATH": "/usr/bin:/bin"})
    pex = (home / "pex").read_bytes()
    described = f"linux_x86_64|{hashlib.sha256(pex).hexdigest()}|{len(pex)}"
    assert f"'v2.1.137|{described}'" in env["PANTS_PEX_CLI_KNOWN_VERSIONS"]
    assert env["PANTS_PEX_CLI_URL_TEMPLATE"] == f"file://{home}/pex"
    assert env["PATH"].startswith("/usr/bin:/bin:")
    python = Path(env["PATH"].rpartition(":")[2], "python3.9")
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("Python 3.9.")


def test_what_the_user_says_of_the_pex_stays(installed: Installed) -> None:
    env = _environment_of_pants(installed.machine, {"PANTS_PEX_CLI_VERSION": "v2.1.999"})
    assert env["PANTS_PEX_CLI_VERSION"] == "v2.1.999"
    assert "PANTS_PEX_CLI_URL_TEMPLATE" not in env


def test_two_runs_hand_pants_the_same_environment(installed: Installed) -> None:
    machine = installed.machine
    assert _environment_of_pants(machine) == _environment_of_pants(machine)


def _environment_of_pants(machine: Machine, env: Env = NOTHING) -> dict[str, str]:
    run = _run_printing_environment(machine, env)
    assert run.exit_code == 0, run.stderr
    pairs = (item.partition("=") for item in run.stdout.split("\0") if item)
    return {name: value for name, _, value in pairs if name != "_"}


def _run_printing_environment(machine: Machine, env: Env = NOTHING) -> Done:
    """With a `pants` that prints what it was given: Pants' own start takes seconds."""
    pants = machine.installed() / "venv/bin/pants"
    original = pants.read_text()
    pants.write_text(
        "import os\nfor item in os.environ.items(): print('='.join(item), end='\\0')\n"
    )
    try:
        return machine.run(env=env)
    finally:
        pants.write_text(original)


def test_an_interpreter_that_went_away_is_looked_for_again(
    installed: Installed, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "machine")
    home = machine.cache / installed.machine.installed().name
    (home / "venv/bin").mkdir(parents=True)
    (home / "venv/bin/python").symlink_to("/gone/python3.9")
    (home / "pex").write_bytes(b"")
    (home / "ready").write_text("python_bin=/gone\npex_size=0\npex_sha256=0\n")
    run = machine.run("--version", env=without_python(machine, pip=False))
    assert run.exit_code == 1
    assert "needs CPython 3.9" in run.stderr
    assert not (home / "ready").exists()


def test_minimg_pants_names_another_one(tmp_path: Path) -> None:
    other = tmp_path / "other pants"
    other.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    other.chmod(0o755)
    machine = Machine(tmp_path / "machine")
    run = machine.run("a b", "", env={"MINIMG_PANTS": str(other)})
    assert (run.exit_code, run.stdout, run.stderr) == (0, "<a b><>", "")
    assert not machine.cache.exists()


def test_no_python_and_no_way_to_one_is_one_line(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    run = machine.run("--version", env=without_python(machine, pip=False))
    assert run.exit_code == 1
    (line,) = run.stderr.splitlines()
    for place in ("PATH", "no-pyenv", "no-uv"):
        assert place in line
    assert "uv python install 3.9" in line
    assert "MINIMG_PANTS" in line


def test_uv_gets_python_from_a_mirror_into_the_cache_folder(
    installed: Installed, tmp_path: Path
) -> None:
    mirror = python_mirror(tmp_path / "mirror")
    if mirror is None:
        pytest.skip("uv's name of this platform is not known here")
    machine = Machine(tmp_path / "machine")
    run = machine.run("--version", env={**without_python(machine, pip=True), **mirror})
    assert (run.exit_code, run.stdout) == (0, "2.17.1\n"), run.stderr
    python_bin = (
        machine.cache / f"python/cpython-3.9.99-linux-{platform.machine()}-gnu/bin"
    ).resolve()
    assert f"python_bin={python_bin}\n" in (machine.installed() / "ready").read_text()
    # Built in another folder, by another interpreter: the same bytes.
    assert _pex_digest(machine) == _pex_digest(installed.machine)


def _pex_digest(machine: Machine) -> str:
    return hashlib.sha256((machine.installed() / "pex").read_bytes()).hexdigest()
