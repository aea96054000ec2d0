"""The seam: nobody else calls the engine, and both of its forms are right.

The form by name runs on no Pants that is here. It is checked against the table of what the sources
of those versions declare, which `build-support/pants_api.py` writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.engine import boundaries, checker, plugin_sources
from tests.engine.pants_table import Table, load

BY_GET, BY_NAME = "engine/_by_get.py", "engine/_by_name.py"
BY_NAME_VERSIONS = ("2.29.0", "2.33.0")
VERSIONS = ("2.17.1", *BY_NAME_VERSIONS)


def table(version: str) -> Table:
    return Table(version, load()[version])


def seam(path: str) -> str:
    return plugin_sources.sources()[path]


def all_findings(found: dict[str, list[str]]) -> str:
    """`PATH:LINE: what is wrong`, a line each."""
    return "\n".join(f"{path}:{finding}" for path in found for finding in found[path])


def test_every_part_of_the_plugin_is_looked_at() -> None:
    """A test run that has only some of the files would find nothing wrong."""
    parts = {path.split("/")[0] for path in plugin_sources.sources()}
    assert parts >= {"bundler", "engine", "goals", "subsystems", "util_rules", "register.py"}
    assert {BY_GET, BY_NAME, "engine/__init__.py"} <= set(plugin_sources.of("engine"))
    assert set(load()) == set(VERSIONS)


def test_the_engine_is_called_in_the_seam_alone() -> None:
    modules = plugin_sources.outside("engine", "bundler")
    assert not all_findings({p: boundaries.engine_words(text) for p, text in modules.items()})


def test_helpers_stand_above_the_rules_that_call_them() -> None:
    modules = plugin_sources.outside("bundler")
    assert not all_findings({p: boundaries.late_helpers(text) for p, text in modules.items()})


def test_the_bundler_knows_nothing_of_pants() -> None:
    assert not all_findings(
        {
            path: boundaries.bundler_imports(text, tuple(path.split("/")[:-1]))
            for path, text in plugin_sources.of("bundler").items()
        }
    )


def test_both_forms_offer_the_same() -> None:
    assert not boundaries.differences(seam(BY_GET), seam(BY_NAME))


@pytest.mark.parametrize("version", BY_NAME_VERSIONS)
def test_calls_by_name_are_right(version: str) -> None:
    assert not all_findings({BY_NAME: checker.check_calls(seam(BY_NAME), table(version))})


def test_positions_mean_the_same_in_all_versions() -> None:
    tables = [table(version) for version in BY_NAME_VERSIONS]
    assert not all_findings({BY_NAME: checker.check_agreement(seam(BY_NAME), tables)})


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_imported_is_there(version: str) -> None:
    """In every module that the version loads: its names of Pants exist and take what they get."""
    form, other_form = (BY_GET, BY_NAME) if version == "2.17.1" else (BY_NAME, BY_GET)
    modules = plugin_sources.outside("bundler")
    modules.pop(other_form)
    pants = table(version)
    assert not all_findings(
        {path: checker.check_imports(text, pants, seam(form)) for path, text in modules.items()}
    )


Change = Callable[[str], str]
CHANGES: dict[str, Change] = {
    "its parameters are gone": lambda text: "()" + text[text.rindex(" -> ") :],
    "it has one more": lambda text: re.sub(r"\) ->", ", more: Unheard) ->", text),
    "it returns something else": lambda text: text[: text.rindex(" -> ")] + " -> Unheard",
}
WITH_DEFECT = [(version, change) for version in BY_NAME_VERSIONS for change in CHANGES]


@pytest.mark.parametrize(("version", "change"), WITH_DEFECT)
def test_a_change_of_any_rule_is_found(version: str, change: str) -> None:
    """Of each rule that the seam calls, its signature changed as a later Pants might."""
    rules = checker.rules_called(seam(BY_NAME), table(version))
    assert len(rules) > 5
    for rule in rules:
        content = load()[version]
        definition = content["definitions"][rule]
        definition["signature"] = CHANGES[change](definition["signature"])
        assert checker.check_calls(seam(BY_NAME), Table(version, content)), rule


@pytest.mark.parametrize("version", BY_NAME_VERSIONS)
def test_a_change_of_any_name_is_found(version: str) -> None:
    """Of each rule that the seam calls, its name; and its parameters', where one goes by place."""
    for rule, by_place in checker.rules_called(seam(BY_NAME), table(version)).items():
        content = load()
        definitions = content[version]["definitions"]
        if by_place:
            signature = definitions[rule]["signature"]
            definitions[rule]["signature"] = signature.replace("(", "(other_", 1)
            tables = [Table(each, content[each]) for each in BY_NAME_VERSIONS]
            assert checker.check_agreement(seam(BY_NAME), tables), rule
        definitions[f"{rule}_by_another_name"] = definitions.pop(rule)
        assert checker.check_calls(seam(BY_NAME), Table(version, content[version])), rule
