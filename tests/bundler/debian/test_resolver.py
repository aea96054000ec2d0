"""Which packages are chosen for what is asked for; and that what is chosen holds."""

from __future__ import annotations

import datetime
import itertools
import random

import pytest

from pants_plugin_minimg.bundler.debian import resolver
from pants_plugin_minimg.bundler.debian.index import Suite
from pants_plugin_minimg.bundler.debian.release import Release
from pants_plugin_minimg.bundler.debian.resolver import Resolved
from pants_plugin_minimg.bundler.debian.universe import Record, Universe
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from tests.bundler.debian.archive import index, stanza


def suite(*stanzas: str, name: str = "bookworm", automatic: bool = True) -> Suite:
    """One of `automatic=False` is as backports are."""
    when = datetime.datetime(2025, 11, 8, tzinfo=datetime.timezone.utc)
    release = Release(
        origin="Debian",
        label="",
        suite="",
        codename=name,
        version="",
        date=when,
        valid_until=None,
        not_automatic=not automatic,
        but_automatic_upgrades=not automatic,
        by_hash=False,
        architectures=("amd64",),
        components=("main",),
        all_is_apart=False,
        files={},
    )
    return Suite(name, release, {"amd64": (index(*stanzas),)})


def resolve(suites: list[Suite], *roots: str) -> tuple[Resolved, ...]:
    asked = [resolver.root(root, "//:bookworm") for root in roots]
    return resolver.resolve(Universe(suites, "amd64"), asked, "//:bookworm")


def names(suites: list[Suite], *roots: str) -> list[str]:
    return [f"{item.record.name}={item.record.version}" for item in resolve(suites, *roots)]


def refused(suites: list[Suite], *roots: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        resolve(suites, *roots)
    assert {error.code for error in caught.value.errors} == {"MINIMG-E026"}
    return [str(error) for error in caught.value.errors]


def test_depends_and_pre_depends_are_followed_and_recommends_are_not() -> None:
    found = resolve(
        [
            suite(
                stanza("git", Depends="libc6, perl", Pre_Depends="dpkg", Recommends="less"),
                stanza("perl", Depends="libc6"),
                stanza("libc6"),
                stanza("dpkg", Architecture="all"),
                stanza("less"),
                stanza("base-files", Essential="yes"),
            )
        ],
        "git",
    )
    assert [(item.record.name, item.depends, item.because) for item in found] == [
        ("dpkg", (), "needed by git"),
        ("git", ("dpkg", "libc6", "perl"), "asked for"),
        ("libc6", (), "needed by git"),
        ("perl", ("libc6",), "needed by git"),
    ]


def test_a_ring_of_dependencies_ends() -> None:
    one = suite(
        stanza("aa", Depends="bb"), stanza("bb", Depends="cc, bb"), stanza("cc", Depends="aa")
    )
    assert names([one], "aa") == ["aa=1.0", "bb=1.0", "cc=1.0"]


def test_the_highest_version_of_the_automatic_suites_is_taken() -> None:
    suites = [
        suite(stanza("git", "1:2.39.2"), stanza("git", "1:2.39.10")),
        suite(stanza("git", "1:2.39.5"), name="bookworm-security"),
        suite(stanza("git", "1:2.45"), name="bookworm-backports", automatic=False),
    ]
    assert names(suites, "git") == ["git=1:2.39.10"]
    assert names(suites, "git=1:2.39.5") == ["git=1:2.39.5"]
    assert names(suites, "git/bookworm-backports") == ["git=1:2.45"]


def test_backports_are_taken_when_no_other_suite_has_the_package() -> None:
    suites = [suite(stanza("git")), suite(stanza("upx-ucl"), name="bb", automatic=False)]
    assert names(suites, "upx-ucl") == ["upx-ucl=1.0"]


def test_backports_are_taken_when_a_dependency_needs_their_version() -> None:
    backports = [stanza("git", "2", Depends="git-man (>> 1.5)"), stanza("git-man", "2")]
    suites = [
        suite(stanza("git", "1"), stanza("git-man", "1")),
        suite(*backports, name="bookworm-backports", automatic=False),
    ]
    assert names(suites, "git/bookworm-backports") == ["git=2", "git-man=2"]


def test_of_equal_versions_the_first_suites_is_taken() -> None:
    suites = [suite(stanza("git"), name="one"), suite(stanza("git"), name="two")]
    assert resolve(suites, "git")[0].record.suite == "one"
    assert resolve(suites[::-1], "git")[0].record.suite == "two"


def test_the_first_alternative_that_can_be_is_taken() -> None:
    one = suite(
        stanza("aa", Depends="none | old (>= 2) | good | other"),
        stanza("old"),
        stanza("good"),
        stanza("other"),
    )
    assert names([one], "aa") == ["aa=1.0", "good=1.0"]


def test_an_alternative_that_is_chosen_already_needs_no_other() -> None:
    one = suite(stanza("aa", Depends="first | second"), stanza("first"), stanza("second"))
    assert names([one], "aa", "second") == ["aa=1.0", "second=1.0"]
    assert resolve([one], "aa", "second")[0].depends == ("second",)


def test_what_leaves_no_choice_comes_before_choices() -> None:
    one = suite(
        stanza("aa", Depends="backport | python (>= 1), zz"),
        stanza("backport"),
        stanza("zz", Depends="python"),
        stanza("python"),
    )
    assert names([one], "aa") == ["aa=1.0", "python=1.0", "zz=1.0"]


def test_the_order_of_what_is_asked_for_does_not_matter() -> None:
    one = suite(
        stanza("aa", Depends="xx | yy"),
        stanza("bb", Depends="yy | xx"),
        stanza("xx"),
        stanza("yy"),
    )
    assert resolve([one], "aa", "bb")[0].depends == resolve([one], "bb", "aa")[0].depends
    assert names([one], "bb", "aa") == ["aa=1.0", "bb=1.0", "xx=1.0"]


def test_a_real_package_comes_before_those_that_provide_it() -> None:
    provider = stanza("aaa", Provides="mta", Priority="required")
    assert names([suite(stanza("xx", Depends="mta"), provider, stanza("mta"))], "xx") == [
        "mta=1.0",
        "xx=1.0",
    ]


def test_providers_are_taken_by_importance_then_by_name() -> None:
    stanzas = [stanza("xx", Depends="awk"), *(stanza(n, Provides="awk") for n in ("gawk", "bawk"))]
    assert names([suite(*stanzas)], "xx") == ["bawk=1.0", "xx=1.0"]
    stanzas.append(stanza("mawk", Provides="other (= 2), awk", Priority="required"))
    assert names([suite(*stanzas)], "xx") == ["mawk=1.0", "xx=1.0"]


def test_a_version_is_satisfied_by_a_versioned_provides_only() -> None:
    stanzas = [stanza("xx", Depends="lib (>= 2)"), stanza("plain", "9", Provides="lib")]
    assert "xx 1.0 needs lib (>= 2)" in refused([suite(*stanzas)], "xx")[0]
    stanzas.append(stanza("old", "9", Provides="lib (= 1)"))
    assert refused([suite(*stanzas)], "xx")
    stanzas.append(stanza("yes", "1", Provides="lib (= 2.1)"))
    assert names([suite(*stanzas)], "xx") == ["xx=1.0", "yes=1"]


@pytest.mark.parametrize(
    ("relation", "fields", "fits"),
    [
        ("perl", {}, True),
        ("perl:any", {}, False),
        ("perl:any", {"Multi-Arch": "same"}, False),
        ("perl:any", {"Multi-Arch": "foreign"}, False),
        ("perl:any", {"Multi-Arch": "allowed"}, True),
        ("perl:native", {}, True),
        ("perl:amd64", {}, True),
        ("perl:arm64", {"Multi-Arch": "allowed"}, False),
        ("perl:amd64", {"Architecture": "all"}, True),
        ("perl", {"Multi-Arch": "foreign"}, True),
    ],
)
def test_architecture_qualifiers_are_those_of_dpkg(
    relation: str, fields: dict[str, str], fits: bool
) -> None:
    one = suite(stanza("xx", Depends=relation), stanza("perl", **fields))
    if fits:
        assert names([one], "xx") == ["perl=1.0", "xx=1.0"]
    else:
        assert refused([one], "xx")


def test_packages_of_other_architectures_are_not_there() -> None:
    assert "no package git" in refused([suite(stanza("git", Architecture="arm64"))], "git")[0]


def test_a_conflict_names_both_and_who_asks() -> None:
    one = suite(
        stanza("git", Depends="liba"),
        stanza("liba", Breaks="libb (<< 2)"),
        stanza("curl", Depends="libc"),
        stanza("libc", Depends="libb"),
        stanza("libb"),
    )
    [message] = refused([one], "git", "curl")
    assert "libb 1.0 and liba 1.0 exclude each other (git -> liba)" in message
    assert "(curl -> libc)" in message and "//:bookworm (amd64)" in message


@pytest.mark.parametrize(
    ("field", "clash"),
    [
        ("bb", True),
        ("bb (<< 2)", True),
        ("bb (<< 1)", False),
        ("bb:any", True),
        ("bb:arm64", False),
        ("virtual", True),
        ("virtual (= 3)", True),
        ("virtual (= 4)", False),
        ("plain (= 1)", False),
        ("aa", False),
        ("given-by-aa", False),
    ],
)
def test_conflicts_hold_for_names_versions_and_what_is_provided(field: str, clash: bool) -> None:
    bb = stanza("bb", Provides="virtual (= 3), plain")
    for kind in ("Conflicts", "Breaks"):
        one = suite(stanza("aa", Provides="given-by-aa", **{kind: field}), bb)
        if clash:
            assert refused([one], "aa", "bb")
        else:
            assert names([one], "aa", "bb") == ["aa=1.0", "bb=1.0"]


def test_a_choice_that_fails_later_is_taken_back() -> None:
    one = suite(
        stanza("aa", Depends="first | second, zz"),
        stanza("first", Depends="deep"),
        stanza("deep", Depends="nowhere"),
        stanza("second"),
        stanza("zz"),
    )
    assert names([one], "aa") == ["aa=1.0", "second=1.0", "zz=1.0"]


def test_what_was_only_on_the_way_is_left_out() -> None:
    one = suite(
        stanza("aa", Depends="mid | other, last"),
        stanza("mid", Depends="helper, bad | worse"),
        stanza("helper"),
        stanza("bad", Conflicts="last"),
        stanza("worse", Conflicts="last"),
        stanza("other"),
        stanza("last"),
    )
    assert names([one], "aa") == ["aa=1.0", "last=1.0", "other=1.0"]


def test_all_that_is_missing_is_said_at_once_with_the_chain_of_who_asks() -> None:
    one = suite(
        stanza("git", Depends="libcurl, perl"),
        stanza("libcurl", Depends="libssl (>= 3)"),
        stanza("libssl", "1.1"),
        stanza("perl", Depends="perl-base"),
        stanza("tool", Depends="gone | lost (= 1)"),
        stanza("gawk", Provides="awk"),
    )
    messages = refused([one], "git", "tool", "nothing", "git=7", "awk")
    joined = "\n".join(messages)
    assert len(messages) == 6
    assert (
        "libcurl 1.0 needs libssl (>= 3), but the suites have libssl 1.1 (git -> libcurl)" in joined
    )
    assert "perl 1.0 needs perl-base, which no suite has (git -> perl)" in joined
    assert "tool 1.0 needs gone | lost (= 1), which no suite has." in joined
    assert "there is no package nothing" in joined
    assert "git=7 is in no suite. There are the versions 1.0 (bookworm)" in joined
    assert "awk is not a package but a name that packages provide. Ask for one of gawk" in joined


@pytest.mark.parametrize("text", ["", "Git", "git=", "git/", "=1", "a b", "-git", "g"])
def test_what_names_no_package_is_refused(text: str) -> None:
    with pytest.raises(MinimgError) as caught:
        resolver.root(text, "//:bookworm")
    assert caught.value.code == "MINIMG-E018"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Depends": "a b"}, "Depends"),
        ({"Provides": "a (>= 1)"}, "Provides"),
        ({"Conflicts": "a | b"}, "Conflicts"),
        ({"Version": "1_0"}, "not a version"),
        ({"Version": ""}, "no field Version"),
        ({"Filename": "../../etc/passwd.deb"}, "path"),
        ({"Filename": "pool/x.tar"}, "path"),
        ({"SHA256": "abc"}, "SHA-256"),
        ({"SHA256": ""}, "Sha256"),
        ({"Size": "-1"}, "Size"),
        ({"Installed-Size": "1.5"}, "Installed-Size"),
    ],
)
def test_a_malformed_package_is_named(fields: dict[str, str], said: str) -> None:
    with pytest.raises((MinimgError, Problems), match=said) as caught:
        resolve([suite(stanza("git", **fields))], "git")
    assert str(caught.value).startswith("MINIMG-E026 git ")


def test_a_malformed_package_that_nobody_asks_for_does_no_harm() -> None:
    odd = stanza("odd", Depends="a b", SHA256="x")
    assert names([suite("no field at all", odd, stanza("git"))], "git") == ["git=1.0"]


def test_no_damage_to_an_index_gives_anything_but_an_error() -> None:
    chance = random.Random(20261125)
    stanzas = [
        stanza("git", Depends="libc6 (>= 2.36) | musl, perl:any", Source="git (2)"),
        stanza("libc6", "2.36-9", Provides="libc (= 2)", Breaks="musl (<< 1)"),
        stanza("perl", **{"Multi-Arch": "allowed"}),
    ]
    for _ in range(1500):
        content = list("\n".join(stanzas))
        for _ in range(chance.choice([1, 1, 2, 5])):
            place = chance.randrange(len(content))
            if chance.random() < 0.3:
                del content[place : place + chance.randrange(1, 40)]
            else:
                content[place] = chance.choice(":,|()[]<>=~ \n\t-+0aé")
        try:
            resolve([suite("".join(content))], "git")
        except MinimgError as error:
            assert error.code == "MINIMG-E026" and "\n" not in str(error)
        except Problems as problems:
            assert all("\n" not in str(error) for error in problems.errors)


# Random archives: small, dense in alternatives and conflicts, so that first choices often fail.


def _archive(chance: random.Random) -> tuple[list[str], list[str]]:
    known = [f"p{letter}" for letter in "abcdefg"[: chance.randrange(3, 8)]]

    def relation() -> str:
        name = chance.choice([*known, "virtual"])
        return name + chance.choice(["", "", "", " (>= 2)", " (<< 2)", " (= 1)"])

    stanzas = []
    for name in known:
        for version in chance.sample(["1", "2", "3"], chance.choice([1, 1, 2])):
            clauses = [
                " | ".join(relation() for _ in range(chance.choice([1, 1, 2, 3])))
                for _ in range(chance.choice([0, 1, 1, 2]))
            ]
            fields = {"Depends": ", ".join(clauses)}
            if chance.random() < 0.25:
                fields["Provides"] = chance.choice(["virtual", "virtual (= 2)", "pa (= 2)"])
            if chance.random() < 0.25:
                fields[chance.choice(["Conflicts", "Breaks"])] = relation()
            stanzas.append(stanza(name, version, **fields))
    return stanzas, chance.sample(known, chance.choice([1, 2]))


def _holds(chosen: tuple[Record, ...]) -> bool:
    """The rules, stated once more: one version of each, every need met, nothing excluded."""
    if len({record.name for record in chosen}) != len(chosen):
        return False
    for record in chosen:
        others = [other for other in chosen if other is not record]
        for clause in record.needs:
            if not any(other.satisfies(relation) for relation in clause for other in chosen):
                return False
        if any(other.excluded_by(relation) for relation in record.excludes for other in others):
            return False
    return True


def _some_way(universe: Universe, roots: list[str], known: set[str]) -> bool:
    """By trying everything: whether any choice of versions holds with the preferred roots."""
    choices: list[tuple[Record | None, ...]] = []
    for name in sorted(known):
        records = universe.records(name)
        choices.append(records[:1] if name in roots else (None,) + records)
    return any(
        _holds(tuple(record for record in picked if record is not None))
        for picked in itertools.product(*choices)
    )


def test_the_outcome_holds_and_is_found_whenever_there_is_one() -> None:
    chance = random.Random(20261125)
    solved = impossible = 0
    for _ in range(1500):
        stanzas, roots = _archive(chance)
        one = suite(*stanzas)
        universe = Universe([one], "amd64")
        known = {line.partition(": ")[2] for s in stanzas for line in s.split("\n")[:1]}
        try:
            found = resolve([one], *roots)
        except Problems:
            impossible += 1
            assert not _some_way(universe, roots, known), (stanzas, roots)
            continue
        solved += 1
        assert _holds(tuple(item.record for item in found)), (stanzas, roots)
        by_name = {item.record.name: item for item in found}
        assert set(roots) <= set(by_name)
        for item in found:
            # What the lock says of a package is enough for it, so that a scope of it is whole.
            depends = [item.record, *(by_name[name].record for name in item.depends)]
            for clause in item.record.needs:
                assert any(other.satisfies(r) for r in clause for other in depends)
        chance.shuffle(stanzas)
        again = resolve([suite(*stanzas)], *reversed(roots))
        assert [(str(i.record), i.depends, i.because) for i in again] == [
            (str(i.record), i.depends, i.because) for i in found
        ]
    assert solved > 300 and impossible > 300
