"""The script of `run`, with container engines that only say how they were called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.goals.run import run_script

NAME = "tools/hlint image:latest"
TAR = "src.app/the image.tar"

ENGINE = """#!/bin/sh
if [ "$1" = info ]; then
    {info}
fi
for word in "$@"; do printf '<%s>' "$word"; done >> "$LOG"
echo >> "$LOG"
if [ "$1" = load ]; then
    echo 'Loaded image: x'
    {load}
fi
cat
exit 42
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in ("dirname", "cat"):
            (self.bin / tool).symlink_to(f"/usr/bin/{tool}")
        self.log = folder / "log"
        chroot = folder / "chroot"
        chroot.mkdir()
        self.script = chroot / "minimg_run.sh"
        self.script.write_text(run_script("//tools:image", TAR, NAME, ()))

    def install(self, name: str, info: str = "exit 0", load: str = "exit 0") -> None:
        program = self.bin / name
        program.write_text(ENGINE.format(info=info, load=load))
        program.chmod(0o755)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(self.script), *args],
            env={"PATH": str(self.bin), "LOG": str(self.log)},
            input="given\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_arguments_input_and_exit_code_pass_through(machine: Machine) -> None:
    machine.install("docker")
    result = machine.run("a b", "", "-x", "$HOME")
    assert result.returncode == 42
    assert result.stdout == "given\n"
    assert result.stderr == ""
    assert machine.calls() == [
        f"<load><--quiet><--input><{machine.script.parent}/{TAR}>",
        f"<run><--rm><-i><--pull=never><{NAME}><a b><><-x><$HOME>",
    ]


def test_a_terminal_is_handed_on(machine: Machine) -> None:
    import pty

    machine.install("docker")
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            ["/bin/sh", str(machine.script)],
            env={"PATH": str(machine.bin), "LOG": str(machine.log)},
            stdin=follower,
            stdout=follower,
        )
        os.write(leader, b"\x04")  # the end of the input, for `cat`
        assert process.wait(timeout=30) == 42
    finally:
        os.close(leader)
        os.close(follower)
    assert machine.calls()[1] == f"<run><--rm><-i><-t><--pull=never><{NAME}>"


def test_options_of_the_engine_stand_before_the_image(machine: Machine) -> None:
    options = ("-p", "127.0.0.1:80:8080", "--label=it's $HOME")
    machine.script.write_text(run_script("//tools:image", TAR, NAME, options))
    machine.install("docker")
    assert machine.run("-x").returncode == 42
    assert machine.calls()[1] == (
        f"<run><--rm><-i><--pull=never><-p><127.0.0.1:80:8080><--label=it's $HOME><{NAME}><-x>"
    )


def test_podman_where_docker_is_not(machine: Machine) -> None:
    machine.install("podman")
    assert machine.run().returncode == 42


def test_podman_where_docker_does_not_answer(machine: Machine) -> None:
    machine.install("docker", info="echo 'no daemon' >&2; exit 1")
    machine.install("podman")
    result = machine.run()
    assert result.returncode == 42
    assert "no daemon" not in result.stderr


def test_neither(machine: Machine) -> None:
    result = machine.run()
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "MINIMG-E021 //tools:image: neither docker nor podman is there to run the image with. "
        "Install one of them, and have its folder on `PATH`.\n"
    )


def test_none_that_answers(machine: Machine) -> None:
    machine.install("docker", info="echo 'no daemon' >&2; exit 1")
    result = machine.run()
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "MINIMG-E021 //tools:image: no container engine answers. Start it, or run as its user.",
        "docker info: no daemon",
    ]


def test_an_image_that_cannot_be_loaded_is_not_run(machine: Machine) -> None:
    machine.install("docker", load="echo 'bad tar' >&2; exit 3")
    result = machine.run()
    assert result.returncode == 1
    assert result.stderr == "bad tar\n"
    assert len(machine.calls()) == 1


def test_quotes_in_a_name_stay_quotes(machine: Machine) -> None:
    machine.script.write_text(run_script("//it's:image", "it's.tar", "a:b", ()))
    assert "//it's:image" in machine.run().stderr
    machine.install("docker")
    assert machine.run().returncode == 42
    assert "/it's.tar>" in machine.calls()[0]
