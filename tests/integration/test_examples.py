"""The examples, built by the real Pants and run by a real engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository, source_root

SLOPPY = "module Main where\n\nmain = putStrLn (concat (map show [1, 2, 3]))\n"


def _copied(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("dist", ".pants.d", ".pids")
    return Path(shutil.copytree(source_root() / "examples", folder / "examples", ignore=ignored))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """For all tests, with a pantsd that lives as long."""
    made = Repository(
        _copied(tmp_path_factory.mktemp("shared")),
        env={"PANTS_PANTSD": "true"},
        options='[minimg-upx]\nsysroot = "//sysroots:upx"\n',
    )
    yield made
    made.stop_daemon()


def _load(tar: Path) -> None:
    subprocess.run([requirements.docker(), "load", "-i", str(tar)], check=True, capture_output=True)


def _run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [requirements.docker(), "run", "--rm", "-i", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def haskell(tmp_path: Path) -> Iterator[Path]:
    """A repository with one file that git tracks and one that it ignores."""
    folder = tmp_path / "haskell"
    folder.mkdir()
    for name in ("Tracked.hs", "Ignored.hs"):
        (folder / name).write_text(SLOPPY)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("Ignored.hs\n")
    subprocess.run(["git", "add", "Tracked.hs"], cwd=folder, check=True)
    yield folder


def test_hlint_lints_what_is_mounted_and_asks_git_which(
    examples: Repository, haskell: Path
) -> None:
    requirements.debian_mirror("bookworm")
    run = examples.pants("package", "//tools:hlint_image").succeeded()
    tar = examples.dist("tools/hlint_image.tar")
    image = images.read(tar)
    assert image.manifest_digest in run.stderr
    assert "usr/bin/hlint" in image.paths() and "usr/bin/git" in image.paths()
    assert b"UPX!" in image.contents["usr/bin/hlint"]

    _load(tar)
    mounted = ("-v", f"{haskell}:/work:ro", "hlint_image:latest")
    linted = _run(*mounted, ".")
    assert linted.returncode == 1, linted.stderr
    assert "Use concatMap" in linted.stdout
    assert "Tracked.hs" in linted.stdout and "Ignored.hs" in linted.stdout
    tracked = _run(*mounted, "--git")
    assert tracked.returncode == 1, tracked.stderr
    assert "Use concatMap" in tracked.stdout and "Ignored.hs" not in tracked.stdout


def test_the_file_server_is_the_only_file_and_serves_a_page(
    examples: Repository, tmp_path: Path
) -> None:
    requirements.program("go")
    examples.pants("package", "//fileserver:image").succeeded()
    tar = examples.dist("fileserver/image.tar")
    image = images.read(tar)
    assert [[info.name for info in layer] for layer in image.layers] == [["fileserver"]]

    served = tmp_path / "served"
    served.mkdir()  # pytest's own folder is closed to the container's user
    (served / "page.txt").write_text("a page\n")
    _load(tar)
    started = subprocess.run(
        [requirements.docker(), "run", "--rm", "-d", "-p", "127.0.0.1::8080"]
        + ["-v", f"{served}:/srv:ro", "example-fileserver:latest"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    try:
        port = subprocess.run(
            [requirements.docker(), "port", started, "8080/tcp"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[0]
        assert _fetch(f"http://{port}/page.txt") == b"a page\n"
    finally:
        subprocess.run([requirements.docker(), "kill", started], capture_output=True)


def _fetch(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(50):
        try:
            with direct.open(url, timeout=5) as response:
                return bytes(response.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}")


def test_a_program_finds_its_own_library_beside_it(examples: Repository) -> None:
    requirements.program("gcc")
    examples.pants("package", "//native:image").succeeded()
    tar = examples.dist("native/image.tar")
    assert "opt/hello/lib/libgreeting.so.1" in images.read(tar).paths()
    _load(tar)
    done = _run("example-native:latest")
    assert (done.returncode, done.stdout) == (0, "Hello, world!\n")


def test_a_script_has_its_interpreter_and_what_it_calls(examples: Repository) -> None:
    examples.pants("package", "//script:image").succeeded()
    tar = examples.dist("script/image.tar")
    _load(tar)
    done = _run("example-script:latest", stdin="b a\na c a b\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "a", "2", "b", "1", "c"]


def test_run_loads_the_image_and_passes_arguments_and_status(
    examples: Repository, haskell: Path
) -> None:
    requirements.docker()
    done = examples.pants("--no-pantsd", "run", "//native:image", "--", "run")
    assert (done.exit_code, done.stdout) == (0, "Hello, run!\n"), done.stderr


def test_two_builds_under_other_conditions_give_the_same_bytes(tmp_path: Path) -> None:
    root = _copied(tmp_path)
    digests = set()
    for number, env in enumerate(
        [
            {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
            {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2"},
        ]
    ):
        other = Repository(
            root,
            prefix=("sh", "-c", f'umask {("022", "077")[number]}; exec "$@"', "sh"),
            env=env,
        )
        targets = ("//tools:hlint_image_plain", "//native:image")
        run = other.pants("--no-local-cache", "package", *targets).succeeded()
        assert run.ours().count("layer") >= 2
        tars = [other.dist(name) for name in ("tools/hlint_image_plain.tar", "native/image.tar")]
        infos = [tar.with_suffix(".docker-info.json").read_text() for tar in tars]
        assert all(json.loads(info)["image_id"] for info in infos)
        digests.add((*(tar.read_bytes() for tar in tars), *infos))
    assert len(digests) == 1
