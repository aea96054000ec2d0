"""Programs that the real UPX packs, and that are run beside the plain ones, by the real Pants."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import requirements
from tests.bundler.implied import compiled
from tests.integration import images
from tests.integration.pants_runs import Repository, Run

BUILD = """
for name in ["same", "differs", "tail"]:
    file(name=f"{name}_file", source=name)
minimal_docker_image(name="same", binary=":same_file", upx="fast", upx_check=["-h"])
minimal_docker_image(name="not_run", binary=":same_file", upx="fast", upx_check=False)
minimal_docker_image(name="differs", binary=":differs_file", upx="fast")
minimal_docker_image(name="tail", binary=":tail_file", upx=True)
"""
#: Of the size of its own file, which is another one when it is packed, or of nothing else.
SOURCE = """
#include <stdio.h>
#include <sys/stat.h>
static char room[200000] = NONCE;
int main(int argc, char **argv) {
    struct stat own;
    stat("/proc/self/exe", &own);
    printf("%ld %d\\n", DIFFERS ? (long)own.st_size : 0L, room[argc] != 0);
    return 0;
}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """For all tests, with a pantsd that lives as long."""
    requirements.working(["upx", "--version"])
    requirements.working(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"])
    folder = tmp_path_factory.mktemp("upx")
    repository = Repository(folder / "repo", env={"PANTS_PANTSD": "true"})
    # No earlier run of the test can have cached what comes of them.
    source = SOURCE.replace("NONCE", json.dumps(os.urandom(8).hex()))
    for name, differs in (("same", 0), ("differs", 1), ("tail", 0)):
        made = compiled(folder, name, source, "-static", f"-DDIFFERS={differs}").read_bytes()
        file = repository.write(name, "", 0o755)
        file.write_bytes(made + b"read from here" * (name == "tail"))
    repository.write("BUILD", BUILD)
    yield repository
    repository.stop_daemon()


def _package(repository: Repository, *names: str) -> Run:
    return repository.pants("package", *(f"//:{name}" for name in names)).succeeded()


def _upx(repository: Repository, name: str) -> Any:
    (image,) = json.loads(repository.dist(f"{name}.docker-info.json").read_text())["manifests"]
    return image["upx"]


def _tries(run: Run) -> list[str]:
    return [process for process in run.processes if process.startswith("Run the programs")]


def test_the_digest_does_not_depend_on_what_was_run(repository: Repository) -> None:
    run = _package(repository, "same", "not_run")
    assert len(_tries(run)) == 1 and run.ours().count("pack") == 1
    one, other = (images.read(repository.dist(f"{name}.tar")) for name in ("same", "not_run"))
    assert b"UPX!" in one.contents["same"] and one.contents == other.contents
    assert one.manifest_digest == other.manifest_digest
    tried = _upx(repository, "same")["trial"]
    (program,) = tried["programs"]
    assert (tried["arguments"], program["path"], program["status"]) == (["-h"], "/same", 0)
    assert "  /same does the same packed, and starts in bubblewrap in " in run.stderr
    assert _upx(repository, "not_run")["trial"] == {"not_run": "`upx_check=False`"}
    assert "  packed programs were not run: `upx_check=False`" in run.stderr


def test_other_arguments_run_nothing_but_the_trial(repository: Repository) -> None:
    _package(repository, "same")
    build = repository.root / "BUILD"
    before = build.read_text()
    build.write_text(before.replace('["-h"]', '["-x"]') + "# A comment.\n")
    run = _package(repository, "same")
    assert run.processes == _tries(run) and len(run.processes) == 1
    build.write_text(before)
    assert _package(repository, "same").processes == []


def test_a_program_that_differs_fails_the_build(repository: Repository) -> None:
    run = repository.pants("package", "//:differs")
    assert run.exit_code != 0 and not repository.dist("differs.tar").exists()
    assert "MINIMG-E042 //:differs: /differs: packed by UPX and run with `--version`" in run.stderr


def test_a_program_with_data_behind_it_stays_plain(repository: Repository) -> None:
    run = _package(repository, "tail")
    assert "  /tail stays as it is: 14 bytes follow the program" in run.stderr
    image = images.read(repository.dist("tail.tar"))
    assert image.contents["tail"] == Path(repository.root / "tail").read_bytes()
    # So there is nothing to compare.
    told = _upx(repository, "tail")
    assert told["programs"][0]["outcome"] == "refused" and "trial" not in told
    assert _tries(run) == []
