"""The names of an image: placeholders, lower case, and docker's grammar of references."""

from __future__ import annotations

import pytest
from pants.engine.addresses import Address

from pants_plugin_minimg.util_rules.names import BadName, names

ADDRESS = Address("src/tools/lint", target_name="HLint")


def full_names(
    repository: str | None, tags: tuple[str, ...] = ("latest",), default: str = "{name}"
) -> list[str]:
    return [name.to_json()["name"] for name in names(ADDRESS, repository, tags, default)]


@pytest.mark.parametrize(
    "repository,default,expected",
    [
        (None, "{name}", "hlint:latest"),
        (None, "{directory}/{name}", "lint/hlint:latest"),
        ("x", "{name}", "x:latest"),
        ("{parent_directory}/{name}", "{name}", "tools/hlint:latest"),
        ("{full_directory}", "{name}", "src/tools/lint:latest"),
        ("team/{default_repository}", "{directory}/{name}", "team/lint/hlint:latest"),
        ("{Name}", "{name}", None),
    ],
)
def test_repository(repository: str | None, default: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadName, match="^MINIMG-E018 src/tools/lint:HLint: `repository`"):
            full_names(repository, default=default)
    else:
        assert full_names(repository, default=default) == [expected]


def test_tags_keep_their_case_and_their_template() -> None:
    (first, second) = names(ADDRESS, "x", ("{name}-1.0", "Latest"), "{name}")
    assert first.to_json() == {
        "repository": "x",
        "template": "{name}-1.0",
        "tag": "HLint-1.0",
        "name": "x:HLint-1.0",
    }
    assert second.to_json()["name"] == "x:Latest"


def test_at_the_root_there_is_no_directory() -> None:
    root = Address("", target_name="image")
    (name,) = names(root, None, ("latest",), "{name}")
    assert name.to_json()["name"] == "image:latest"
    with pytest.raises(BadName, match="`repository`: '/image' is no repository"):
        names(root, "{directory}/{name}", ("latest",), "{name}")


def test_every_bad_name_is_told_at_once() -> None:
    with pytest.raises(BadName) as caught:
        full_names(None, ("{full_directory}", "{directory}", "{nme}"), default="{nme}")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "`[minimg].default_repository`",
        "`image_tags`",
        "`image_tags`",
    ]
