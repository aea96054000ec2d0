"""How the Pants of another revision is called, and what is read of what it leaves."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from pants.engine.addresses import Address
from pants.version import VERSION

from pants_plugin_minimg.util_rules import since

IMAGE = Address("a/b", target_name="image")
ROOT = Address("", target_name="image", parameters={"x": "1", "y": "2"})


def test_options_before_the_goal_are_handed_on() -> None:
    arguments = [
        "--level=debug", "--minimg-diff-since=main", "--changed-since=main", "--minimg-plans",
        "--spec-files=x", "-ldebug", "--no-pantsd", "--pantsd=False", "--pants-distdir=x",
        "--unmatched-cli-globs=warn", "--pantsd-max-memory-usage=1", "minimg-diff",
        "--format=json", "a/b:image",
    ]  # fmt: skip
    assert since.options_of(arguments) == [
        "--level=debug", "--minimg-plans", "-ldebug", "--pantsd-max-memory-usage=1"
    ]  # fmt: skip


def test_folders_are_asked_for_and_filtered_by_address() -> None:
    other = Address("a/b", target_name="other")
    command = since.pants_command(["--level=warn"], [ROOT, other, IMAGE])
    assert command[:5] == [sys.executable, "-I", "-m", "pants", "--level=warn"]
    assert command[-4:] == ["package", "peek", "//:", "a/b:"]
    (option,) = [word for word in command if word.startswith("--filter-address-regex=")]
    expressions = option.partition("=")[2].split(",")
    for address in (IMAGE, ROOT, other):
        assert [bool(re.search(each, str(address))) for each in expressions].count(True) == 1
    assert not any(re.search(each, "a/b:image2") for each in expressions)
    assert not any(re.search(each, "xa/b:image") for each in expressions)


def test_the_same_version_runs_with_the_users_variables() -> None:
    found = since.variables_of({"A": "b", "PANTS_BUILDROOT_OVERRIDE": "/x", "PANTS_VERSION": "1"})
    assert found == {"A": "b", "PANTS_VERSION": VERSION, "PANTS_MINIMG_PLANS": "true"}


@pytest.mark.parametrize(
    "fields,image",
    [
        ({}, "a.b/image.tar"),
        ({"format": "tar", "output_path": None}, "a.b/image.tar"),
        ({"format": "oci-layout"}, "a.b/image"),
        ({"output_path": "x/y.tar"}, "x/y.tar"),
    ],
)
def test_where_the_old_image_is(fields: dict[str, str], image: str, tmp_path: Path) -> None:
    target = {"address": "a/b:image", "target_type": "minimal_docker_image", **fields}
    assert since.before([target], IMAGE, "/d") == since.Before(f"/d/{image}", ())
    dist = tmp_path / "[of] the user"
    stem = str(dist / image.replace(".tar", ""))
    Path(stem).parent.mkdir(parents=True)
    plans = [f"{stem}{label}.plan.json" for label in ("", ".amd64", ".arm64")]
    for path in [*plans, f"{stem}2.plan.json", f"{stem}.info.json"]:
        Path(path).touch()
    found = since.before([target], IMAGE, str(dist))
    assert found == since.Before(str(dist / image), tuple(plans))


def test_a_target_that_was_not_there_or_was_no_image() -> None:
    other = {"address": "a/b:other", "target_type": "minimal_docker_image"}
    docker = {"address": "a/b:image", "target_type": "docker_image"}
    assert since.before([other, docker], IMAGE, "/d") is None
