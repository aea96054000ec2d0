"""The plugin in repositories with settings of their own: the same image, whatever they say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.integration import images
from tests.integration.pants_runs import Repository

BUILD = """
minimal_docker_image(name="image", executables=["/bin/echo"])
minimal_docker_image(name="other", executables=["/bin/cat"])
"""
TARGETS = ("//:image", "//:other")
SETTINGS = {
    "no other backend": ((), ""),
    "python for another interpreter": (
        ("pants.backend.python",),
        """
        [python]
        interpreter_constraints = ["CPython==3.11.*"]
        """,
    ),
    "python with resolves": (
        ("pants.backend.python",),
        """
        [python]
        interpreter_constraints = ["PyPy==3.9.*"]
        enable_resolves = true
        default_resolve = "ours"
        resolves_generate_lockfiles = false
        [python.resolves]
        ours = "3rdparty/ours.lock"
        """,
    ),
    "interpreters nowhere": (
        ("pants.backend.python",),
        """
        [python-bootstrap]
        search_path = ["/nowhere"]
        """,
    ),
    "docker beside it": (
        ("pants.backend.docker", "pants.backend.shell"),
        """
        [docker]
        default_repository = "{directory}/{name}"
        """,
    ),
}


def repository(root: Path, backends: tuple[str, ...], options: str) -> Repository:
    root.mkdir()
    made = Repository(root, backends=backends, options=options)
    made.write("BUILD", BUILD)
    return made


def digest(of: Repository, name: str = "image") -> str:
    return images.read(of.dist(f"{name}.tar")).manifest_digest


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = repository(tmp_path_factory.mktemp("plain") / "root", ("pants.backend.shell",), "")
    made.pants("package", "//:image").succeeded()
    return digest(made)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_repository_change_nothing(name: str, plain: str, tmp_path: Path) -> None:
    made = repository(tmp_path / "root", *SETTINGS[name])
    made.pants("package", "//:image").succeeded()
    assert digest(made) == plain


def test_the_daemon_and_two_commands_at_once(plain: str, tmp_path: Path) -> None:
    """Two commands over one repository and one cache, and again over what they left."""
    made = repository(tmp_path / "root", ("pants.backend.shell",), "")
    try:
        for options in (("--no-pantsd",), ("--pantsd", "--concurrent"), ("--pantsd",)):
            with ThreadPoolExecutor(2) as pool:
                runs = list(pool.map(partial(made.pants, *options, "package"), TARGETS))
            for run in runs:
                run.succeeded()
            assert digest(made) == plain
            assert digest(made, "other")
    finally:
        made.stop_daemon()
