"""The option `[minimg].registries`: its form, and the docker backend's in its place."""

from __future__ import annotations

from typing import Any

import pytest

from pants_plugin_minimg.util_rules.registries import BadRegistries, Registry, configured

WHOLE = {
    "address": "example.org:5000",
    "default": True,
    "skip_push": True,
    "extra_image_tags": ["1", "{name}"],
    "repository": "{target_repository}/x",
    "use_local_alias": True,
}


def test_an_entry_with_all_that_it_may_have() -> None:
    (entry,) = configured({"main": WHOLE}, {}).entries
    assert entry == Registry(
        "example.org:5000", "main", True, True, ("1", "{name}"), "{target_repository}/x", True
    )
    assert hash(entry)  # it can be a key of the engine


def test_an_entry_with_an_address_alone() -> None:
    assert configured({"a": {"address": "a.org"}}, {}).entries == (Registry("a.org", "a"),)


@pytest.mark.parametrize(
    "entry,default", [({}, True), ({"default": False}, False), ({"default": True}, True)]
)
def test_the_one_that_is_named_default_is_default(entry: dict[str, Any], default: bool) -> None:
    (found,) = configured({"default": {"address": "a.org", **entry}}, {}).entries
    assert found.default is default


def test_dockers_where_ours_are_not_set() -> None:
    ours, dockers = {"a": {"address": "a.org"}}, {"b": {"address": "b.org", "new_key": 1}}
    assert [entry.alias for entry in configured(ours, dockers).entries] == ["a"]
    assert [entry.alias for entry in configured({}, dockers).entries] == ["b"]
    assert configured({}, {}).entries == ()


@pytest.mark.parametrize(
    "changed,words",
    [
        ({"address": None}, "`address` is None"),
        ({"address": "https://a.org"}, "'https://a.org' is no address"),
        ({"default": "yes"}, "`default` is 'yes'"),
        ({"skip_push": 1}, "`skip_push` is 1"),
        ({"extra_image_tags": "1"}, "`extra_image_tags` is '1'"),
        ({"extra_image_tags": [1]}, "the tag 1 is no text"),
        ({"extra_image_tags": ["a:b"]}, "'a:b' is no tag"),
        ({"extra_image_tags": ["{nme}"]}, "{nme}"),
        ({"repository": "{nme}"}, "{nme}"),
        ({"insecure": True}, "`insecure` is not known"),
    ],
)
def test_what_is_wrong_is_said_of_the_entry(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRegistries) as caught:
        configured({"main": {**WHOLE, **changed}}, {})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("MINIMG-E033 [minimg].registries: 'main': ") and words in line


def test_all_that_is_wrong_is_told_together() -> None:
    raw = {"a": "a.org", "b": {}, "c": {"address": "x.org"}, "d": {"address": "x.org"}}
    with pytest.raises(BadRegistries) as caught:
        configured({}, raw)
    lines = str(caught.value).splitlines()
    assert [line.split("'")[1] for line in lines] == ["a", "b", "d"]
    assert all(line.startswith("MINIMG-E033 [docker].registries: ") for line in lines)
    assert "have the same address x.org" in lines[2]
