"""What `binary` takes, by the real Pants, and what it refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository

BUILD = """
go_mod(name="mod")
go_package(name="pkg")
go_binary(name="program")
archive(name="release", format="tar.gz", packages=[":program"], files=[":notes"])
file(name="notes", source="notes.txt")
file(name="script", source="hello.sh")
shell_command(
    name="texts",
    command="mkdir out && echo 1 > out/a.txt && echo 2 > out/b.txt",
    tools=["mkdir"],
    output_directories=["out"],
)
resource(name="nothing", source="notes.txt")

minimal_docker_image(name="of_go", binary=":program", repository="of-go")
minimal_docker_image(name="of_archive", binary=":release", install_to="/opt/app")
minimal_docker_image(name="of_file", binary=":script", install_to="/usr/local/bin")
minimal_docker_image(name="of_texts", binary=":texts")
minimal_docker_image(name="of_nothing", binary=":nothing")
"""
MAIN = """
package main

import "fmt"

func main() { fmt.Println("made by go") }
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """For all tests, with a pantsd that lives as long."""
    repository = Repository(
        tmp_path_factory.mktemp("binaries") / "repo",
        env={"PANTS_PANTSD": "true"},
        backends=("pants.backend.shell", "pants.backend.experimental.go"),
    )
    repository.write("go.mod", "module example.com/program\n\ngo 1.19\n")
    repository.write("main.go", MAIN)
    repository.write("notes.txt", "notes\n")
    repository.write("hello.sh", "#!/bin/sh\necho hello\n", 0o755)
    repository.write("BUILD", BUILD)
    yield repository
    repository.stop_daemon()


def _old_go() -> str:
    """Pants 2.17.1 cannot drive the newest Go: Debian's own is old enough."""
    for go in ("/usr/bin/go", requirements.program("go")):
        if Path(go).exists():
            version = subprocess.run([go, "version"], capture_output=True, text=True).stdout
            if any(f"go1.{minor}" in version for minor in range(17, 21)):
                return str(Path(go).parent)
    requirements.unavailable("there is no Go from 1.17 to 1.20, which Pants 2.17.1 can drive")


def test_a_go_binary_alone_and_in_an_archive(repository: Repository) -> None:
    search = f"--golang-go-search-paths=['{_old_go()}']"
    # One after the other: Pants links one file of its store into the sandboxes of both, and tar,
    # which sees the number of links change as it reads, then calls the file changed.
    repository.pants(search, "package", "//:of_go").succeeded()
    repository.pants(search, "package", "//:of_archive").succeeded()
    alone = images.read(repository.dist("of_go.tar"))
    assert alone.paths() == ["program"]
    in_archive = images.read(repository.dist("of_archive.tar"))
    assert sorted(in_archive.paths()) == ["opt/app/notes.txt", "opt/app/program"]
    assert in_archive.contents["opt/app/program"] == alone.contents["program"]
    assert in_archive.config["config"]["Entrypoint"] == ["/opt/app/program"]

    docker = requirements.docker()
    subprocess.run([docker, "load", "-i", repository.dist("of_go.tar")], check=True)
    done = subprocess.run([docker, "run", "--rm", "of-go"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "made by go\n")


def test_a_file_that_is_a_script(repository: Repository) -> None:
    repository.pants("package", "//:of_file").succeeded()
    paths = images.read(repository.dist("of_file.tar")).paths()
    assert "usr/local/bin/hello.sh" in paths
    assert any(path.endswith("/ld-linux-x86-64.so.2") for path in paths)


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("of_texts", "MINIMG-E016", ("a.txt", "b.txt", "//:texts")),
        ("of_nothing", "MINIMG-E020", ("//:nothing", "resource")),
    ],
)
def test_what_builds_no_program_is_refused_in_one_error(
    repository: Repository, target: str, code: str, words: tuple[str, ...]
) -> None:
    run = repository.pants("--no-pantsd", "package", f"//:{target}", level="error")
    assert run.exit_code == 1
    assert run.stderr.count("MINIMG-E") == 1 and code in run.stderr
    assert all(word in run.stderr for word in words)
    assert "Traceback" not in run.stderr
    assert not repository.dist(f"{target}.tar").exists()
