"""One cache for several users, and steps that run on other machines' workers."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import build_grid, images
from tests.integration.build_grid import Server
from tests.integration.pants_runs import Repository, Run, source_root

#: At the same path for all users of a machine, and outside any home.
PYTHON = "/usr/bin/python3"
#: Steps that tell of the machine that they run on are nobody else's.
OF_HOST = "Find what fileserver:image consists of"
#: What is run in each step.
TOOL = ".minimg/bundler/__main__.pyc"
OWN = (OF_HOST, "Index what the packages of this machine list")
IMAGE = """
local_environment(name="local")
remote_environment(name="remote", platform="linux_x86_64", fallback_environment=None)
minimal_docker_image(
    name="image",
    executables=["/usr/bin/hlint"],
    sysroot="//sysroots:bookworm",
    packages=["hlint"],
    package_records=False,
    environment={environment!r},
)
"""
#: Nothing that a step could take from the worker's machine by mistake.
DECOYS = ("/usr/bin/hlint", "/usr/bin/git", "/usr/bin/upx-ucl", "/var/lib/dpkg", "/usr/share/doc")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    requirements.debian_mirror("bookworm")
    requirements.working([PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 9))"])
    with build_grid.running(tmp_path / "server") as started:
        yield started


def _digest(repository: Repository, path: str) -> str:
    return images.read(repository.dist(path)).manifest_digest


# -- A cache ---------------------------------------------------------------------------------------


class Machine:
    """A user with a home, a checkout and caches of its own; processes see another user id."""

    def __init__(self, folder: Path, uid: int, server: Server) -> None:
        requirements.working(["unshare", "--user", f"--map-user={uid}", "true"])
        ignored = shutil.ignore_patterns("dist", ".pants.d", ".pids")
        root = folder / f"checkout-of-{uid}"
        shutil.copytree(source_root() / "examples", root, ignore=ignored)
        home = folder / f"home-of-{uid}"
        home.mkdir()
        self.repository = Repository(
            root,
            prefix=("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}"),
            env={
                "HOME": str(home),
                # The launcher's own, which installs Pants.
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
                "USER": f"user{uid}",
                "PANTS_NAMED_CACHES_DIR": str(home / "named"),
            },
            options=f"""
            local_store_dir = "{home}/store"
            remote_cache_read = true
            remote_cache_write = true
            remote_store_address = "{server.address}"
            [minimg]
            python = "{PYTHON}"
            [minimg-upx]
            sysroot = "//sysroots:upx"
            """,
        )

    def package(self, *targets: str) -> Run:
        return self.repository.pants("package", *targets).succeeded()


def _done(run: Run) -> set[str]:
    """Processes of the plugin that were started on this machine."""
    ours = (f'"{TOOL}"', "compile_dir(")
    return {
        line.split('description: "')[1].split('"')[0]
        for line in run.stderr.splitlines()
        if "spawned local process" in line and any(word in line for word in ours)
    }


def _from_cache(run: Run) -> set[str]:
    return set(re.findall(r'remote cache hit for: "([^"]*)"', run.stderr))


def test_users_share_what_one_of_them_built(server: Server, tmp_path: Path) -> None:
    targets = ("//tools:hlint_image", "//fileserver:image")
    artifacts = ("tools/hlint_image.tar", "fileserver/image.tar")
    requirements.program("go")
    first, second = Machine(tmp_path, 4321, server), Machine(tmp_path, 5432, server)
    built = {each for each in _done(first.package(*targets)) if not each.startswith(OWN)}
    for beginning in (
        "Compile the sandbox program",
        "Pack /usr/bin/hlint of tools:hlint_image with UPX",
        "Write layer 1 of 3 of tools:hlint_image",
        "Write layer 1 of 1 of fileserver:image",
    ):
        assert any(each.startswith(beginning) for each in built), beginning

    run = second.package(*targets)
    taken = _from_cache(run)
    assert built <= taken, sorted(built - taken)
    # A plan of the machine's own programs holds time stamps and inodes; layers hold bytes.
    assert {each for each in _done(run) if each.startswith(OWN)} >= {OF_HOST}
    assert not {each for each in taken if each.startswith(OWN)}
    for artifact in artifacts:
        assert _digest(second.repository, artifact) == _digest(first.repository, artifact)


# -- Execution -------------------------------------------------------------------------------------


def _repository(folder: Path, server: Server, environment: str) -> Repository:
    root = folder / environment
    shutil.copytree(source_root() / "examples/sysroots", root / "sysroots")
    repository = Repository(
        root,
        options=f"""
        local_store_dir = "{folder}/store-{environment}"
        remote_execution = true
        remote_execution_address = "{server.address}"
        remote_store_address = "{server.address}"
        [stats]
        log = true
        [minimg]
        python = "{PYTHON}"
        [environments-preview.names]
        local = "//:local"
        remote = "//:remote"
        """,
    )
    repository.write("BUILD", IMAGE.format(environment=environment))
    return repository


def _counted(run: Run, name: str) -> int:
    found = re.search(rf"^  {name}: (\d+)$", run.stderr, flags=re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def _decoys() -> list[str]:
    """bubblewrap with an empty place wherever one of DECOYS is."""
    out = [requirements.working(["bwrap", "--dev-bind", "/", "/", "true"])]
    out += ["--dev-bind", "/", "/"]
    for path in map(Path, DECOYS):
        if path.is_dir():
            out += ["--tmpfs", str(path)]
        elif path.exists():
            out += ["--ro-bind", "/dev/null", str(path)]
    return out


def test_every_step_runs_on_a_worker(server: Server, tmp_path: Path) -> None:
    workers = [server.add_worker(_decoys()) for _ in range(2)]
    remote = _repository(tmp_path, server, "remote")
    run = remote.pants("package", "//:image").succeeded()
    assert _counted(run, "remote_execution_requests") == _counted(run, "remote_execution_success")
    assert _done(run) == set()
    commands = [line for worker in workers for line in worker.commands()]
    steps = {line.split(f"{TOOL} ")[1].split()[0] for line in commands if ".minimg" in line}
    assert steps == {"scope", "unpack", "plan", "layer", "image"}
    assert all(worker.commands() for worker in workers)

    here = _repository(tmp_path, server, "local")
    here.pants("package", "//:image").succeeded()
    assert _digest(remote, "image.tar") == _digest(here, "image.tar")


def test_a_worker_that_dies_in_the_middle_of_a_step(server: Server, tmp_path: Path) -> None:
    doomed = server.add_worker()
    repository = _repository(tmp_path, server, "remote")
    found: list[Run] = []
    build = threading.Thread(
        target=lambda: found.append(repository.pants("package", "//:image")), daemon=True
    )
    build.start()
    while build.is_alive() and not any(" unpack " in line for line in doomed.commands()):
        time.sleep(0.02)
    doomed.kill()
    server.add_worker()
    build.join()
    found[0].succeeded()
    assert images.read(repository.dist("image.tar")).manifest_digest
