"""Labels and annotations with values of the environment."""

from __future__ import annotations

import pytest
from pants.engine.addresses import Address

from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.util_rules.metadata import Metadata, metadata
from tests.rules.fake_engine import install

ADDRESS = Address("tools", target_name="image")


def told(
    monkeypatch: pytest.MonkeyPatch,
    labels: dict[str, str],
    annotations: dict[str, str],
    of_all: dict[str, str],
    **environment: str,
) -> Metadata:
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.environment = environment
    return fake.run(metadata(ADDRESS, labels, annotations, of_all))


def test_those_of_the_image_win_and_variables_are_filled_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = told(
        monkeypatch,
        {"a": "1", "b": '{"json": "{env.X}"}'},
        {"org.example.a": "own"},
        {"org.example.a": "all", "org.opencontainers.image.revision": "{env.COMMIT}-{env.X}"},
        COMMIT="abc",
        X="y",
    )
    assert found == Metadata(
        {"a": "1", "b": '{"json": "y"}'},
        {"org.example.a": "own", "org.opencontainers.image.revision": "abc-y"},
    )


def test_each_variable_that_is_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundlerError) as caught:
        told(monkeypatch, {"a": "{env.A}"}, {}, {"b": "{env.B}{env.A}", "c": "{env.C}"}, C="")
    lines = str(caught.value).splitlines()
    assert [line.partition(" environment variable ")[2].split()[0] for line in lines] == [
        "A",
        "B",
        "C",
    ]
    assert all(line.startswith("MINIMG-E032 tools:image: ") for line in lines)


@pytest.mark.parametrize(
    "of_all,problem",
    [
        ({"org.opencontainers.image.licence": "MIT"}, "OCI has no annotation"),
        ({"org.opencontainers.image.created": "{env.DAY}"}, "is 'yesterday'"),
    ],
)
def test_what_pants_toml_says_is_checked_too(
    monkeypatch: pytest.MonkeyPatch, of_all: dict[str, str], problem: str
) -> None:
    with pytest.raises(BundlerError) as caught:
        told(monkeypatch, {}, {}, of_all, DAY="yesterday")
    assert str(caught.value).startswith("MINIMG-E018 tools:image: `annotations`: ")
    assert problem in str(caught.value)
