"""`minimg-diff --since` in a repository of git, with the real `./pants` on both sides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.pants_runs import Repository, Run
from tests.requirements import working

OLD = """
file(name="text", source="text")
file(name="program", source="program")
minimal_docker_image(name="image", binary=":program", files={"/etc/text": ":text"})
minimal_docker_image(
    name="moved", binary=":program", output_path="else/where.tar", format="oci-layout",
)
"""
NEW = OLD.replace('{"/etc/text": ":text"}', '{"/etc/text": ":text", "/etc/more": ":text"}').replace(
    'output_path="else/where.tar", format="oci-layout"', 'env={"A": "b"}'
)
FRESH = 'minimal_docker_image(name="image", binary="//app:program")\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Its Pants root is the folder `below` of the repository, as `examples/` is. With a pantsd."""
    working(["git", "--version"])
    top = tmp_path_factory.mktemp("top")
    (top / "below").mkdir()
    made = Repository(top / "below", env={"PANTS_PANTSD": "true"})
    made.write("app/program", "#!/bin/sh\necho hello\n", 0o755)
    made.write("app/text", "old\n")
    made.write("app/BUILD", OLD)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "below/app", "below/pants.toml"],
        [*identity, "commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(top), *arguments], check=True)
    made.write("app/BUILD", NEW)
    made.write("app/text", "new text\n")
    made.write("fresh/BUILD", FRESH)
    yield made
    made.stop_daemon()


def documents(run: Run) -> list[dict[str, Any]]:
    found, rest = [], run.succeeded().stdout
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found


def assert_nothing_is_left(site: Repository) -> None:
    command = ["git", "-C", str(site.root), "worktree", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1
    assert not (site.root / "dist").exists()


def test_since_a_revision(site: Repository) -> None:
    run = site.pants(
        "minimg-diff", "--since=main", "--format=json", "app::", "fresh::", level="info"
    )
    found = {document["title"]: document for document in documents(run)}
    assert sorted(found) == [
        "app:image since main", "app:moved since main", "fresh:image since main"
    ]  # fmt: skip
    paths = {item["path"]: item for item in found["app:image since main"]["paths"]}
    assert {path: (item["kind"], item["grown"]) for path, item in paths.items()} == {
        "/etc/more": ("added", 9),
        "/etc/text": ("changed", 5),
    }
    assert paths["/etc/more"]["reasons"] == ["built by app:text"]
    moved = found["app:moved since main"]
    assert moved["paths"] == [] and moved["old"] is not None
    assert moved["config"] == [{"name": "Env A", "old": None, "new": "b"}]
    fresh = found["fresh:image since main"]
    assert fresh["old"] is None and {item["kind"] for item in fresh["paths"]} == {"added"}
    assert_nothing_is_left(site)


def test_as_text_with_options_that_hold_for_both(site: Repository) -> None:
    option = "--minimg-annotations={'a': 'b'}"
    own = ["--no-pantsd", "--filter-target-type=minimal_docker_image"]
    run = site.pants(option, *own, "minimg-diff", "--since=HEAD", "app:image", level="info")
    lines = run.succeeded().stdout.splitlines()
    assert lines[0] == "app:image since HEAD"
    assert lines[4] == "+      +9 B  /etc/more: built by app:text"


def test_what_cannot_be_built_there(site: Repository) -> None:
    run = site.pants("minimg-diff", "--since=nothing", "app:image", level="info")
    assert run.exit_code != 0 and "MINIMG-E046 nothing: " in run.stderr
    git = ["git", "-C", str(site.root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "checkout", "-q", "-b", "broken"], check=True)
    site.write("app/BUILD", "no_such_target()")
    subprocess.run([*git, "commit", "-q", "-m", "broken", "app/BUILD"], check=True)
    site.write("app/BUILD", NEW)
    run = site.pants("minimg-diff", "--since=broken", "app:image", level="info")
    assert run.exit_code != 0 and not run.stdout
    assert "no_such_target" in run.stderr
    assert "MINIMG-E047 broken: what builds it there ended with exit code " in run.stderr
    assert_nothing_is_left(site)
