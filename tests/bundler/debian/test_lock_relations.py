"""Versions, relations between packages and control data."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from pants_plugin_minimg.bundler.debian import control, versions
from pants_plugin_minimg.bundler.debian.relations import Relation, clauses, flat, written
from tests.requirements import program

# Each is earlier than the next (deb-version(7), "Sorting algorithm").
ASCENDING = [
    "~~",
    "~~a",
    "~",
    "0~",
    "0",
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0-0~1",
    "1.0",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0+dfsg-1",
    "1.0.1",
    "1.9",
    "1.10~",
    "1.10",
    "2.39.5-.",
    "1:0.1",
    "1:2.39.5-0+deb12u2",
    "2:0",
]


def test_versions_are_ordered_as_deb_version_says() -> None:
    for place, one in enumerate(ASCENDING):
        for other in ASCENDING[place + 1 :]:
            assert versions.compare(one, other) < 0, (one, other)
            assert versions.compare(other, one) > 0, (other, one)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("0:1", "1"), ("1.02", "1.2")])
def test_versions_may_be_equal_and_written_differently(one: str, other: str) -> None:
    assert versions.compare(one, other) == 0


def test_the_order_is_that_of_dpkg() -> None:
    dpkg = program("dpkg")
    chance = random.Random(20261125)
    parts = ["0", "1", "9", "10", "a", "Z", "~", "+", ".", "-1", "-0", "~rc", "deb", "00"]
    for _ in range(400):
        one, other = (
            chance.choice(["", "", "0:", "1:"])
            + "1"
            + "".join(chance.choice(parts) for _ in range(chance.randrange(5)))
            for _ in "ab"
        )
        relation = chance.choice(["lt", "eq", "gt"])
        done = subprocess.run([dpkg, "--compare-versions", one, relation, other], check=False)
        order = versions.compare(one, other)
        mine = {"lt": order < 0, "eq": order == 0, "gt": order > 0}[relation]
        assert mine == (done.returncode == 0), (one, relation, other)


@pytest.mark.parametrize(
    "version", ["", "1_0", "a b", "1-", "x:1", "1:2:3", "99999999999:1", "١", "1\n"]
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError):
        versions.check(version)


@pytest.mark.parametrize(
    ("relation", "holds"),
    [
        ("<<", [True, False, False]),
        ("<=", [True, True, False]),
        ("=", [False, True, False]),
        (">=", [False, True, True]),
        (">>", [False, False, True]),
    ],
)
def test_each_relation_compares_as_the_policy_says(relation: str, holds: list[bool]) -> None:
    assert [versions.satisfies(v, relation, "2") for v in ("1", "2", "3")] == holds


def test_a_field_is_read_into_clauses_of_alternatives() -> None:
    field = "libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0,\n perl:any, libz1 (<<2~), x:amd64"
    assert clauses(field, "amd64") == (
        (Relation("libc6", None, ">=", "2.36"),),
        (Relation("debconf", None, ">=", "0.5"), Relation("debconf-2.0")),
        (Relation("perl", "any"),),
        (Relation("libz1", None, "<<", "2~"),),
        (Relation("x", "amd64"),),
    )
    assert written(clauses(field, "amd64")[1]) == "debconf (>= 0.5) | debconf-2.0"
    assert clauses("", "amd64") == clauses("  ", "amd64") == ()


def test_the_old_forms_of_relations_mean_or_equal() -> None:
    assert clauses("a (< 1), b (> 1)", "amd64") == (
        (Relation("a", None, "<=", "1"),),
        (Relation("b", None, ">=", "1"),),
    )


def test_relations_for_other_architectures_are_left_out() -> None:
    field = "a [amd64], b [arm64 i386], c [!amd64] | d [!arm64], e [linux-any], f [any-arm64]"
    assert [written(clause) for clause in clauses(field, "amd64")] == ["a", "d", "e"]
    assert [written(clause) for clause in clauses(field, "arm64")] == ["b", "c", "e", "f"]


@pytest.mark.parametrize(
    "field",
    ["a,", ",a", "a |", "a b", "a (1.0)", "a (>=)", "a (=> 1)", "a (>= 1) x", "a [", "a (>= 1_0)"]
    + ["a []", "a [!amd64 arm64]", "a:ANY", "${shlibs:Depends}", "a <!nocheck>"],
)
def test_a_malformed_relation_is_refused(field: str) -> None:
    with pytest.raises(ValueError):
        clauses(field, "amd64")


def test_a_field_without_alternatives_refuses_one() -> None:
    assert flat("a, b (= 1)", "amd64") == (Relation("a"), Relation("b", None, "=", "1"))
    with pytest.raises(ValueError, match="alternatives"):
        flat("a | b", "amd64")


def test_fields_are_read_with_their_continuation_lines() -> None:
    content = "Package: git\n# a comment\nDepends: a,\n b\nDescription: short\n long\n .\n more\n"
    assert control.paragraph(content) == {
        "package": "git",
        "depends": "a,\n b",
        "description": "short\n long\n .\n more",
    }


def test_a_line_that_is_no_field_does_not_hide_the_fields_after_it() -> None:
    content = "Package: git\nwhat is this\nVersion: 1\x0b2\x85\u2028Depends: x\n"
    assert control.paragraph(content) == {"package": "git", "version": "1 2  Depends: x"}


def test_a_field_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        control.paragraph("Version: 1\nVersion: 2\n")


def test_paragraphs_are_split_at_empty_lines() -> None:
    content = "\n# only a comment\n\nA: 1\n \nB: 2\nC: 3\n\n\n"
    assert control.paragraphs(content) == [{"a": "1"}, {"b": "2", "c": "3"}]


def test_relations_are_read_without_what_compares_versions() -> None:
    program_text = (
        "import sys; from pants_plugin_minimg.bundler.debian import depends; "
        "found = depends.within([{'package': 'a', 'depends': 'b (>= 1:2-3)'}, {'package': 'b'}]); "
        "assert found == [('b:',), ()], found; "
        "sys.exit(any(name.startswith('debian_inspector') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program_text], check=False).returncode == 0
