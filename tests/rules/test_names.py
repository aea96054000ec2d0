"""The names of an image: placeholders, lower case, and docker's grammar of references."""

from __future__ import annotations

from typing import Any

import pytest
from pants.engine.addresses import Address

from pants_plugin_minimg.fields.forms import ALL_DEFAULT_REGISTRIES
from pants_plugin_minimg.util_rules.names import BadName, Naming, image_names, names, variables
from pants_plugin_minimg.util_rules.registries import Registries, Registry
from tests.rules.fake_engine import install

ADDRESS = Address("src/tools/lint", target_name="HLint")
MAIN = Registry("main.example.org", "main", default=True)


def naming(
    repository: str | None,
    tags: tuple[str, ...] = ("latest",),
    default: str = "{name}",
    choices: tuple[str, ...] = (ALL_DEFAULT_REGISTRIES,),
    registries: tuple[Registry, ...] = (),
    address: Address = ADDRESS,
) -> Naming:
    return Naming(address, repository, tags, choices, default, Registries(registries))


def full_names(
    repository: str | None,
    tags: tuple[str, ...] = ("latest",),
    default: str = "{name}",
    environment: dict[str, str] | None = None,
    **more: Any,
) -> list[str]:
    return list(map(str, names(naming(repository, tags, default, **more), environment or {})))


def complaints(*args: Any, **kwargs: Any) -> list[str]:
    """`CODE: where`, a line each."""
    with pytest.raises(BadName) as caught:
        full_names(*args, **kwargs)
    found = [line.split(" ", 1) for line in str(caught.value).splitlines()]
    assert all(text.startswith(f"{ADDRESS}: ") for _, text in found)
    return [f"{code[-4:]} {text.split(': ')[1]}" for code, text in found]


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
    (first, second) = names(naming("x", ("{name}-1.0", "Latest")), {})
    assert first.to_json() == {
        "alias": None,
        "address": None,
        "local": False,
        "repository": "x",
        "template": "{name}-1.0",
        "tag": "HLint-1.0",
        "name": "x:HLint-1.0",
    }
    assert str(second) == "x:Latest"


def test_at_the_root_there_is_no_directory() -> None:
    root = Address("", target_name="image")
    assert full_names(None, address=root) == ["image:latest"]
    with pytest.raises(BadName, match="`repository`: '/image' is no repository"):
        full_names("{directory}/{name}", address=root)


def test_every_bad_name_is_told_at_once() -> None:
    tags = ("{full_directory}", "{directory}", "{nme}", "{env.NO}")
    assert complaints(None, tags, "{nme}", choices=("@x",)) == [
        "E033 `registries`",
        "E018 `[minimg].default_repository`",
        "E018 `image_tags`",
        "E018 `image_tags`",
        "E032 `image_tags`",
    ]


# -- Registries ----------------------------------------------------------------------------------


OTHERS = (
    Registry("z.example.org", "z", default=True),
    MAIN,
    Registry("example.org:5000/team", "team", repository="{target_repository}-{name}"),
    Registry("tagged.example.org", "tagged", extra_image_tags=("{name}", "1")),
    Registry("local.example.org", "local", use_local_alias=True),
)


@pytest.mark.parametrize(
    "choices,expected",
    [
        ([], ["lint/x:1"]),
        ([ALL_DEFAULT_REGISTRIES], ["main.example.org/lint/x:1", "z.example.org/lint/x:1"]),
        (["@z"], ["z.example.org/lint/x:1"]),
        (["z.example.org", "@z"], ["z.example.org/lint/x:1"]),
        (["r.example.net/a", "@main"], ["r.example.net/a/lint/x:1", "main.example.org/lint/x:1"]),
        (["@team"], ["example.org:5000/team/lint/x-hlint:1"]),
        (["example.org:5000/team"], ["example.org:5000/team/lint/x-hlint:1"]),
        (["@tagged"], ["tagged.example.org/lint/x:1", "tagged.example.org/lint/x:HLint"]),
        (["@local"], ["local.example.org/lint/x:1", "local/lint/x:1"]),
    ],
)
def test_registries(choices: list[str], expected: list[str]) -> None:
    found = full_names("{directory}/x", ("1",), choices=tuple(choices), registries=OTHERS)
    assert found == expected


def test_a_name_says_which_registry_it_is_of() -> None:
    (pushed, local) = names(naming("x", ("1",), choices=("@local",), registries=OTHERS), {})
    expected = {"alias": "local", "address": "local.example.org", "repository": "x", "tag": "1"}
    for name, where, is_local in ((pushed, "local.example.org", False), (local, "local", True)):
        found = name.to_json()
        assert {key: found[key] for key in expected} == expected
        assert (found["name"], found["local"]) == (f"{where}/x:1", is_local)
        assert name.location == f"{where}/x"


def test_an_unknown_alias_says_which_are_known() -> None:
    with pytest.raises(BadName) as caught:
        full_names(None, choices=("@no", "@main"), registries=OTHERS[:2])
    assert str(caught.value) == (
        f"MINIMG-E033 {ADDRESS}: `registries`: there is no registry @no. "
        "Those that are configured: @z, @main."
    )


def test_the_limit_is_of_registry_and_repository_together() -> None:
    assert full_names("x" * 255)
    host = Registry("h" * 10, "h", default=True)
    assert full_names("x" * 244, registries=(host,))
    assert complaints("x" * 245, registries=(host,)) == ["E018 `repository`"]


@pytest.mark.parametrize("template", ["{default_repository}-", "{target_repository}/"])
def test_a_bad_repository_of_a_registry_is_told_there(template: str) -> None:
    registry = Registry("h.org", "h", default=True, repository=template)
    assert complaints("x", registries=(registry,)) == ["E018 `repository` of the registry @h"]


# -- The environment -----------------------------------------------------------------------------


def test_variables_stand_for_their_values() -> None:
    environment = {"TEAM": "Core", "SHA": "{name}", "UNUSED": "x"}
    found = full_names("{env.TEAM}/x", ("v{env.N}",), environment={**environment, "N": "1"})
    assert found == ["core/x:v1"]
    # A value is a value: nothing in it is a placeholder.
    assert complaints("x", ("{env.SHA}",), environment=environment) == ["E018 `image_tags`"]


@pytest.mark.parametrize("environment", [{}, {"NO": ""}])
def test_one_that_is_not_set_is_told_once(environment: dict[str, str]) -> None:
    with pytest.raises(BadName) as caught:
        full_names("{env.NO}", ("{env.NO}", "a-{env.NO}"), environment=environment)
    assert str(caught.value) == (
        f"MINIMG-E032 {ADDRESS}: `repository`: the environment variable NO is not set, or empty. "
        "Set it where Pants is started."
    )


@pytest.mark.parametrize(
    "repository,choices,expected",
    [
        (None, [], ["A", "T"]),
        ("x", [], ["T"]),
        ("{env.B}/{default_repository}", [], ["A", "B", "T"]),
        ("{env.B}", ["@r"], ["C", "R", "T"]),
        ("{env.B}", ["@s"], ["B", "T"]),
        ("{env.B}", ["@t"], ["B", "T"]),
    ],
)
def test_only_those_that_the_names_need_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    repository: str | None,
    choices: list[str],
    expected: list[str],
) -> None:
    registries = (
        Registry("r.org", "r", repository="{env.R}", extra_image_tags=("{env.C}",)),
        Registry("s.org", "s", repository="{target_repository}"),
        Registry("t.org", "t"),
    )
    given = naming(repository, ("{env.T}",), "{env.A}", tuple(choices), registries)
    assert list(variables(given)) == expected
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.environment = {name: name for name in "ABCRTX"}
    assert fake.run(image_names(given)) == names(given, fake.environment)
