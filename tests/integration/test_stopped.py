"""Pants stopped at any point, caches that cannot be written, two at once: the next run is right.

`MINIMG_KILLS` says at how many points a build is killed, each chosen by a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as bundler
from tests import interrupts
from tests.integration.pants_runs import Repository, source_root
from tests.requirements import unavailable, working

KILLS = int(os.environ.get("MINIMG_KILLS", "2"))
BUILD = """
minimal_docker_image(name="image", executables=["/bin/sh", "/usr/bin/env"], entrypoint=["/bin/sh"])
"""


class Site:
    """A repository with its own store; the launcher's Pants and the named caches are shared."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "repository")
        self.repository.write("BUILD", BUILD)
        self.store = folder / "store"
        self.folder = folder

    @property
    def options(self) -> list[str]:
        return [f"--local-store-dir={self.store}"]

    def package(self, *options: str) -> str:
        """The digest of the image."""
        self.repository.pants(*self.options, *options, "package", "//:image").succeeded()
        return self.digest()

    def digest(self) -> str:
        info = json.loads(self.repository.dist("image.docker-info.json").read_text())
        return str(info["manifests"][0]["digest"])

    @property
    def tar(self) -> Path:
        return self.repository.dist("image.tar")

    def start(
        self, *options: str, log: str = "log", prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """`log` is the file of its folder that gets what the run says."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PANTS_", "PEX_"))}
        command = [str(source_root() / "pants"), *self.options, *options, "package", "//:image"]
        with open(self.folder / log, "ab") as said:
            return subprocess.Popen(
                [*prefix, *command],
                cwd=self.repository.root,
                env=inherited,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
                preexec_fn=interrupts.heard,
            )

    def traced(self, calls: str, injected: str) -> list[str]:
        """What a run is put behind so that its `calls` about the tar in dist go as `injected`."""
        return [
            working(["strace", "-V"]), "--follow-forks", "--seccomp-bpf", "--quiet=all",
            f"--output={os.devnull}", f"--trace-path={self.tar}", f"--trace={calls}",
            f"--inject={calls}:{injected}",
        ]  # fmt: skip

    def kill_daemon(self) -> None:
        for file in self.repository.root.glob(".pids/**/pantsd/pid"):
            try:
                os.kill(int(file.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                continue


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """With nothing in its store."""
    return Site(tmp_path)


@dataclass(frozen=True)
class Built:
    """A site where the image was built, what it is, and how many seconds that took."""

    site: Site
    digest: str
    seconds: float


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Built:
    site = Site(tmp_path_factory.mktemp("first"))
    began = time.monotonic()
    digest = site.package()
    return Built(site, digest, time.monotonic() - began)


@pytest.fixture
def built(first: Built, tmp_path: Path) -> Built:
    """A copy of the first one: Pants has ended there."""
    site = Site(tmp_path)
    shutil.copytree(first.site.store, site.store)
    shutil.copytree(first.site.repository.root / "dist", site.repository.root / "dist")
    return replace(first, site=site)


def whole(site: Site) -> None:
    assert bundler.main(["verify", str(site.tar)]) == 0


def whole_or_absent(site: Site) -> None:
    if site.tar.exists():
        whole(site)


def whole_or_begun(site: Site, option: str) -> None:
    """After a kill, which may hit Pants while it copies the tar from its store to dist.

    No plugin can keep the beginning of a tar from being there then, but nothing takes that for an
    image (test_archive.py has why), and the next run replaces it.
    """
    if site.tar.exists() and bundler.main(["verify", str(site.tar)]) != 0:
        left = site.tar.read_bytes()
        site.package(option)
        whole(site)
        assert site.tar.read_bytes().startswith(left)


def failed_by_the_other(said: str) -> bool:
    """Whether this is what Pants says when another run removed the file that it wrote to dist.

    Each run removes what is there, copies the tar, and then sets its mode by its path, and nothing
    keeps another one from removing it before that. Until the mode is set the file is read-only: a
    run which began to remove before that file was there cannot open it, unless it is root. Pants
    2.17 names the file of its store, later versions the one in dist, in two forms.
    """
    return bool(
        re.search(
            r"Error setting permissions on (file at )?\S+/(immutable/files/\S+|dist/image\.tar): "
            r"No such file or directory \(os error 2\)"
            r"|Error copying bytes from \S+ to \S+/dist/image\.tar: Permission denied "
            r"\(os error 13\)",
            " ".join(said.split()),
        )
    )


@pytest.mark.parametrize("pantsd", [False, True])
def test_killed_at_any_point_the_next_run_is_right(built: Built, pantsd: bool) -> None:
    site, rng = built.site, random.Random(11 + pantsd)
    option = "--pantsd" if pantsd else "--no-pantsd"
    try:
        if pantsd:  # the first one that is killed has a daemon that knows all
            assert site.package(option) == built.digest
        for number in range(KILLS):
            # Other content each time, so that there is something to do when it is killed.
            site.repository.write("BUILD", BUILD.replace("entry", f'cmd=["{number}"], entry'))
            site.tar.unlink(missing_ok=True)
            running = site.start(option)
            time.sleep(rng.uniform(0.2, built.seconds))
            try:
                os.killpg(running.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            running.wait()
            if pantsd:
                site.kill_daemon()
            whole_or_begun(site, option)
        site.repository.write("BUILD", BUILD)
        assert site.package(option) == built.digest
        whole(site)
    finally:
        site.repository.stop_daemon()


def test_killed_while_the_tar_is_copied(built: Built) -> None:
    site = built.site
    site.tar.unlink()
    slow = site.traced("copy_file_range", "delay_enter=600s")
    running = site.start("--no-pantsd", prefix=slow)
    while not site.tar.exists() and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert site.tar.stat().st_size == 0
    whole_or_begun(site, "--no-pantsd")
    assert site.digest() == built.digest


def test_interrupted_by_the_user(built: Built) -> None:
    site = built.site
    site.repository.write("BUILD", BUILD.replace("entry", 'cmd=["x"], entry'))
    running = site.start("--no-pantsd")
    time.sleep(3)
    os.killpg(running.pid, signal.SIGINT)
    running.wait(timeout=60)
    whole_or_absent(site)
    site.repository.write("BUILD", BUILD)
    assert site.package() == built.digest


def test_two_at_once(site: Site) -> None:
    both = [site.start("--no-pantsd", log=f"log {n}") for n in range(2)]
    statuses = [running.wait(timeout=300) for running in both]
    said = [(site.folder / f"log {n}").read_text() for n in range(2)]
    # The run that was the last to remove what was there wrote after that: it cannot have failed.
    assert 0 in statuses, said
    for status, log in zip(statuses, said):
        assert status == 0 or (status == 1 and failed_by_the_other(log)), log
    whole(site)
    digest = site.package()
    whole(site)
    assert digest in next(log for status, log in zip(statuses, said) if status == 0)


def test_what_another_run_removed(built: Built) -> None:
    """The moment that `test_two_at_once` seldom meets, made by strace."""
    site = built.site
    gone = site.traced("?chmod,?fchmodat,?fchmodat2", "error=ENOENT")
    running = site.start("--no-pantsd", prefix=gone)
    assert running.wait(timeout=300) == 1
    assert failed_by_the_other((site.folder / "log").read_text())
    assert site.package() == built.digest
    whole(site)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something else in the place of a folder."""
    if os.geteuid() != 0:
        unavailable("only root may mount a file system")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True)
    if done.returncode != 0:
        unavailable(f"nothing can be mounted: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def tmpfs(size: str) -> tuple[str, ...]:
    return "-t", "tmpfs", "-o", f"size={size}", "tmpfs"


def test_a_full_disk_leaves_no_half_image_that_is_taken_for_one(built: Built) -> None:
    site, dist = built.site, built.site.repository.root / "dist"
    shutil.rmtree(dist)
    with mounted(dist, *tmpfs("256k")):
        assert site.repository.pants(*site.options, "package", "//:image").exit_code != 0
    site.package()
    whole_or_absent(site)


def test_a_store_that_is_full(site: Site) -> None:
    with mounted(site.store, *tmpfs("4m")):
        assert site.repository.pants(*site.options, "package", "//:image").exit_code != 0
    whole_or_absent(site)
    site.package()
    whole_or_absent(site)


def test_a_store_that_cannot_be_written(built: Built) -> None:
    site = built.site
    site.repository.write("BUILD", BUILD.replace("entry", 'cmd=["x"], entry'))
    site.tar.unlink()
    with mounted(site.store, "--bind", "-o", "ro", str(site.store)):
        assert site.repository.pants(*site.options, "package", "//:image").exit_code != 0
    whole_or_absent(site)
    site.repository.write("BUILD", BUILD)
    assert site.package() == built.digest
