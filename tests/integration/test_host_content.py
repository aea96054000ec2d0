"""What the machine has decides the image: each change of it is seen, and nothing else is redone.

The machine's own files are replaced for real, in a mount namespace in which /usr is an overlay.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository

BUILD = """
minimal_docker_image(
    name="image",
    executables=["/usr/bin/git"],
    include=["/usr/share/minimg-test/*.conf"],
)
file(name="beside", source="beside")
minimal_docker_image(name="searching", binary=":beside", install_to="/opt/app/bin")
"""


class Machine:
    """This machine, with an overlay over /usr that only its own commands see."""

    def __init__(self, scratch: Path) -> None:
        for name in ("upper", "work"):
            (scratch / name).mkdir()
        mount = (
            f"mount -t overlay overlay -o lowerdir=/usr,upperdir={scratch}/upper,"
            f"workdir={scratch}/work /usr && echo ready && exec sleep 3600"
        )
        self._holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", mount],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        self.prefix = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--wd=.")

    def do(self, script: str) -> str:
        return subprocess.run(
            [*self.prefix, "sh", "-euc", script], check=True, capture_output=True, text=True
        ).stdout

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    requirements.working(["unshare", "-m", "true"])
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    machine = Machine(overlay)
    yield machine
    machine.close()


@pytest.fixture
def repository(machine: Machine, tmp_path: Path) -> Iterator[Repository]:
    """Its pantsd, which remembers what the machine had, must see each change, too."""
    requirements.program("gcc")
    repository = Repository(tmp_path / "repo", machine.prefix, env={"PANTS_PANTSD": "true"})
    repository.write("BUILD", BUILD)
    # New content each time: no earlier run of the test can have cached what it gives.
    machine.do("mkdir -p /usr/share/minimg-test && date +%N > /usr/share/minimg-test/a.conf")
    yield repository
    repository.stop_daemon()


def _library(folder: Path, text: str, where: str) -> str:
    """Build a shared library whose only function returns `text`; the shell line that puts it."""
    source, out = folder / "lib.c", folder / f"lib-{text}.so"
    source.write_text(f'const char *beside(void) {{ return "{text}"; }}\n')
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-Wl,-soname,libbeside.so", "-o", out, source], check=True
    )
    return f"mkdir -p {os.path.dirname(where)} && cp {out} {where}"


def _digest(repository: Repository, name: str = "image") -> str:
    return images.read(repository.dist(f"{name}.tar")).manifest_digest


def test_what_the_host_has_is_in_the_key(machine: Machine, repository: Repository) -> None:
    # By the store alone.
    first = repository.pants("--no-pantsd", "package", "//:image").succeeded()
    assert {"plan", "layer", "image"} <= set(first.ours())
    before = _digest(repository)

    # Nothing changed: the fingerprints are taken again, and all is served from the cache.
    again = repository.pants("--no-pantsd", "package", "//:image").succeeded()
    assert again.ours() == []
    assert _digest(repository) == before

    # The same bytes installed again: the closure is computed again, nothing after it.
    machine.do("cp /usr/bin/git /usr/bin/git.new && mv /usr/bin/git.new /usr/bin/git")
    reinstalled = repository.pants("--no-pantsd", "package", "//:image").succeeded()
    assert reinstalled.ours() == ["plan"]
    assert _digest(repository) == before

    # A library replaced by another build, after a daemon has seen the first.
    assert repository.pants("package", "//:image").succeeded().ours() == []
    library = machine.do("readlink -f /usr/lib/*/libz.so.1").strip()
    machine.do(f"cp {library} /tmp/z.$$ && printf X >> /tmp/z.$$ && mv /tmp/z.$$ {library}")
    assert repository.pants("package", "//:image").succeeded().ours().count("plan") == 1
    replaced = _digest(repository)
    assert replaced != before

    # The program itself changed in place, size and mtime as they were.
    machine.do(
        "touch -r /usr/bin/git /tmp/stamp.$$ && "
        "end=$(stat -c %s /usr/bin/git) && "  # the section headers: nothing reads them to start it
        "printf MINIMG | dd of=/usr/bin/git bs=1 seek=$((end - 6)) conv=notrunc status=none && "
        "touch -r /tmp/stamp.$$ /usr/bin/git && rm /tmp/stamp.$$"
    )
    repository.pants("package", "//:image").succeeded()
    edited = _digest(repository)
    assert edited != replaced

    # A file that newly matches a glob of `include`.
    machine.do("echo 2 > /usr/share/minimg-test/b.conf")
    repository.pants("package", "//:image").succeeded()
    assert "usr/share/minimg-test/b.conf" in images.read(repository.dist("image.tar")).paths()
    assert _digest(repository) != edited


def test_a_library_that_appears_earlier_in_an_rpath_is_found(
    machine: Machine, repository: Repository, tmp_path: Path
) -> None:
    late, early = "/usr/local/minimg-late/libbeside.so", "/usr/local/minimg-early/libbeside.so"
    machine.do(_library(tmp_path, "late", late))
    source = tmp_path / "main.c"
    source.write_text(
        "#include <stdio.h>\nconst char *beside(void);\n"
        "int main(void) { puts(beside()); return 0; }\n"
    )
    rpath = f"-Wl,-rpath,{os.path.dirname(early)}:{os.path.dirname(late)}"
    subprocess.run(
        ["gcc", "-o", repository.root / "beside", source, tmp_path / "lib-late.so", rpath],
        check=True,
    )

    repository.pants("package", "//:searching").succeeded()
    assert late[1:] in images.read(repository.dist("searching.tar")).paths()

    machine.do(_library(tmp_path, "early", early))
    repository.pants("package", "//:searching").succeeded()
    paths = images.read(repository.dist("searching.tar")).paths()
    assert early[1:] in paths and late[1:] not in paths

    # And once more as it was: a third state of the host, for which nothing old may be served.
    machine.do(f"rm -r {os.path.dirname(early)}")
    repository.pants("package", "//:searching").succeeded()
    assert late[1:] in images.read(repository.dist("searching.tar")).paths()
