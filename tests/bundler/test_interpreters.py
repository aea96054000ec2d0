"""The bytes of layers and images are the same under every interpreter and in every environment."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.bundler.images import (
    NAMES,
    PLATFORM,
    directory,
    file,
    hard_link,
    link,
    put,
    with_parents,
    write_projection,
)
from tests.requirements import unavailable

ROOT = Path(__file__).resolve().parents[2]

MAIN = """
import argparse, sys
from pants_plugin_minimg.bundler.commands import image as cli_image
parser = argparse.ArgumentParser()
cli_image.add_parser(parser.add_subparsers())
options = parser.parse_args()
options.run(options)
"""

# What these bytes have been since the format was settled: a change of them is a change of every
# digest that users have. The diff_id does not depend on the compressor, the manifest does.
DIFF_ID = "sha256:070fe5f930c04146506f359dffd3f559e4729684cfbc8f16cfd500ec8ee13ea3"
IMAGE_ID = "sha256:11e6f95e3b704974744a246edbf2ed4d36029ddb801d4c30db4630ecf0318202"
MANIFEST = "sha256:2eaa797483b27338ebb45681fe5a4b00f50a211e3c6e7caf206c6212f760c564"


PROBE = "import sys, pip; print(*sys.version_info[:2], sys.executable)"
LOCK = ROOT / "pants_plugin_minimg" / "subsystems" / "bundler.lock"


@cache
def _interpreters() -> dict[tuple[int, int], str]:
    """A CPython with pip of each version, by (major, minor)."""
    paths = []
    for folder in os.get_exec_path():
        paths += sorted(glob.glob(os.path.join(glob.escape(folder), "python3.*[0-9]")))
    paths += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python")))
    found = {sys.version_info[:2]: sys.executable}
    for path in paths:
        try:  # in an empty environment a shim of pyenv finds nothing, as it should
            done = subprocess.run(
                [path, "-c", PROBE], env={}, capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        major, minor, executable = done.stdout.rstrip("\n").split(" ", 2)
        found.setdefault((int(major), int(minor)), executable)
    return found


def _inputs(tmp: Path) -> None:
    """Fixed contents, from a generator that does not change with the interpreter."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(40_000))
    big, text = put(tmp / "blobs", noise + noise.hex().encode()), put(tmp / "blobs", b"text\n")
    entries = with_parents(
        [
            file(b"/usr/bin/program", big, 0o755),
            link(b"/bin", b"usr/bin"),
            directory(b"/tmp", 0o1777),
            file(b"/z/file", text, 0o640, uid=7, gid=3_000_000),
            hard_link(b"/a/hard", b"/z/file"),
            file(b"/odd/\xff", text),
            file("/odd/größe".encode(), text),
            file(b"/odd/" + b"n" * 150, text),
        ]
    )
    write_projection(tmp / "projection.json", entries)
    request = {
        "version": 1,
        "artifact": "a.tar",
        "names": NAMES,
        "config": {"env": {"Z": "1", "A": "ü"}, "labels": {"b": "1", "a": "2"}},
    }
    (tmp / "image.json").write_text(json.dumps(request))
    plan = {"version": 1, "platform": PLATFORM, "entries": [], "entrypoint": ["/bin/program"]}
    (tmp / "plan.json").write_text(json.dumps(plan))


def _build(
    python: str, tmp: Path, name: str, umask: int = 0o022, program: str = MAIN, **env: str
) -> dict[str, str]:
    """SHA-256 of each file that `layer`, `image` and `tar` write."""
    out = tmp / name
    layer: list[str | Path] = ["layer", "--projection", tmp / "projection.json"]
    image: list[str | Path] = ["image", "--request", tmp / "image.json"]
    _bundler(python, [*layer, "--blobs", tmp / "blobs", "--out", out], umask, env, program)
    image += ["--layer", out / "layer.json", "--plan", tmp / "plan.json", "--out", out]
    _bundler(python, image, umask, env, program)
    (blob,) = (out / "blobs" / "sha256").iterdir()
    blob.rename(out / "layout" / "blobs" / "sha256" / blob.name)
    _bundler(
        python, ["tar", "--layout", out / "layout", "--out", out / "a.tar"], umask, env, program
    )
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def _bundler(
    python: str, command: list[str | Path], umask: int, env: dict[str, str], program: str
) -> None:
    subprocess.run(
        [python, "-B", "-c", program, *map(str, command)],
        env={"PYTHONPATH": os.pathsep.join((str(ROOT), *_extra_path(python))), **env},
        umask=umask,
        check=True,
    )


def _extra_path(python: str) -> list[str]:
    """This interpreter's own modules may lie where only its path leads (a Pants sandbox)."""
    return [path for path in sys.path if path] if python == sys.executable else []


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp = tmp_path_factory.mktemp("interpreters")
    _inputs(tmp)
    return tmp


@pytest.fixture(scope="module")
def expected(inputs: Path) -> dict[str, str]:
    return _build(sys.executable, inputs, "expected")


def test_the_digests_are_what_they_have_always_been(inputs: Path, expected: dict[str, str]) -> None:
    info = json.loads((inputs / "expected" / "info.json").read_bytes())
    (manifest,) = info["manifests"]
    found = (manifest["layers"][0]["diff_id"], info["image_id"], manifest["digest"])
    assert found == (DIFF_ID, IMAGE_ID, MANIFEST)


def test_other_interpreters_write_the_same_bytes(
    inputs: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    others = sorted(
        (version, python)
        for version, python in _interpreters().items()
        if version >= (3, 9) and version != sys.version_info[:2]
    )
    if not others:
        unavailable("no CPython of another version with pip is on PATH or in pyenv")
    # The oldest and the newest: each has to be given the tool's own locked packages.
    for (major, minor), python in dict.fromkeys((others[0], others[-1])):
        name = f"{major}.{minor}"
        packages = str(tmp_path / name)
        _install(python, packages)
        modules = os.pathsep.join((str(ROOT), packages))
        assert _build(python, inputs, name, PYTHONPATH=modules) == expected, f"CPython {name}"


def _install(python: str, folder: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary=:all:", "--target", folder, "-r", str(LOCK)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        unavailable(f"{python} cannot install the tool's packages: {done.stderr.strip()[-300:]}")


@pytest.mark.parametrize("cores", [1, 64])
def test_the_number_of_cores_does_not_reach_the_bytes(
    inputs: Path, expected: dict[str, str], cores: int, tmp_path: Path
) -> None:
    """As many processes compress as there are cores."""
    program = f"import os; os.cpu_count = lambda: {cores}\n{MAIN}"
    name = f"{cores} cores"
    assert _build(sys.executable, inputs, name, program=program, TMPDIR=str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("umask", "env"),
    [
        (0o077, {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1", "HOME": "/nowhere"}),
        (0o000, {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONHASHSEED": "2"}),
        (0o022, {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "SOURCE_DATE_EPOCH": "1700000000"}),
        (0o027, {"LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
)
def test_the_environment_does_not_reach_the_bytes(
    inputs: Path, expected: dict[str, str], umask: int, env: dict[str, str]
) -> None:
    name = f"umask{umask:o}"
    assert _build(sys.executable, inputs, name, umask, **env) == expected


def test_the_owner_and_the_modes_of_the_inputs_do_not_reach_the_bytes(
    inputs: Path, expected: dict[str, str]
) -> None:
    for path in (inputs / "blobs").iterdir():
        os.chmod(path, 0o755)
        os.utime(path, (1, 1))
    assert _build(sys.executable, inputs, "modes") == expected
