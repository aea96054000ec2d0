"""The checks of who imports what find what they should."""

from __future__ import annotations

import pytest

from tests.engine import boundaries

HALF = '''
from pants.engine.fs import Digest

__all__ = ["Digest", "Thing", "merge"]


class Thing:
    pass


async def merge(ds: Sequence[Digest], *, last: bool = False) -> Digest:
    """Its text may differ."""
    return await Get(Digest, MergeDigests(ds))
'''


@pytest.mark.parametrize(
    "source",
    [
        "from pants.engine.rules import Get",
        "from pants.engine.rules import MultiGet as All",
        "from pants.engine.internals.selectors import Effect",
        "from pants.engine.rules import rule, implicitly",
        "def f():\n    from pants.engine.rules import concurrently",
        "from pants.engine.rules import *",
        "from pants.engine.intrinsics import merge_digests",
        "from pants.engine import intrinsics",
        "import pants.engine.intrinsics",
        "import pants.engine.intrinsics as i",
        "import pants.engine.rules as r\nr.Get(Digest)",
        "import pants.engine.rules\npants.engine.rules.MultiGet()",
        "from pants.engine import rules as r\nx = r.implicitly",
        "from pants_plugin_minimg.engine import Get",
        "from pants_plugin_minimg.engine._by_get import merge",
        "from pants_plugin_minimg.engine import _by_name",
        "from .engine import _by_get",
        "import importlib\nr = importlib.import_module('pants.engine.rules')",
        "r = __import__('pants.engine.rules')",
        "from pants.core.goals.package import build_package\n"
        "async def f(x):\n    return await build_package(x)",
        "from pants.core.goals import package\n"
        "async def f(x):\n    return await package.build_package(x)",
    ],
)
def test_the_engine_outside_the_seam_is_found(source: str) -> None:
    assert boundaries.engine_words(source)


@pytest.mark.parametrize(
    "source",
    [
        "from pants.engine.rules import collect_rules, goal_rule, rule",
        "from pants_plugin_minimg import engine\nasync def f(x):\n    return await engine.merge(x)",
        "from pants.engine.fs import Digest\nasync def f(x):\n    return await g(Digest(x, 0))",
        "from somewhere import Get",
        "x.Get",
    ],
)
def test_what_rules_may_say_is_not(source: str) -> None:
    assert boundaries.engine_words(source) == []


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("import pants.engine.fs", ("bundler",)),
        ("from pants.util.frozendict import FrozenDict", ("bundler",)),
        ("def f():\n    import pants", ("bundler", "loader")),
        ("from pants_plugin_minimg import engine", ("bundler",)),
        ("from pants_plugin_minimg.target_types import X", ("bundler",)),
        ("from .. import engine", ("bundler",)),
        ("from ...engine import x", ("bundler", "loader")),
    ],
)
def test_a_bundler_that_reaches_out_is_found(source: str, place: tuple[str, ...]) -> None:
    assert boundaries.bundler_imports(source, place)


def test_a_bundler_by_itself_is_not() -> None:
    source = (
        "import elftools.elf\nfrom pants_plugin_minimg.bundler import plan\n"
        "from pants_plugin_minimg.bundler.text import text\nfrom . import plan\nfrom .text import x"
    )
    assert boundaries.bundler_imports(source, ("bundler",)) == []
    assert boundaries.bundler_imports("from ..text import x", ("bundler", "loader")) == []


def test_a_helper_below_its_rule_is_found() -> None:
    rule = "@rule(desc='x')\nasync def r() -> A:\n    return await first()\n\n\n"
    first = "async def first() -> A:\n    return await second()\n\n\n"
    second = "async def second() -> A:\n    return A()\n\n\n"
    assert boundaries.late_helpers(second + first + rule) == []
    assert boundaries.late_helpers(first + second + rule) == []
    (finding,) = boundaries.late_helpers(first + rule + second)
    assert "second is called by r" in finding


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("ds: Sequence[Digest]", "digests: Sequence[Digest]", "merge"),
        ("ds: Sequence[Digest]", "ds: Iterable[Digest]", "merge"),
        ("*, last", "last", "merge"),
        ("last: bool = False", "last: bool = True", "merge"),
        (") -> Digest", ") -> Snapshot", "merge"),
        ("async def", "def", "merge"),
        ('"merge"]', '"merge", "more"]', "more"),
        ('"Thing", ', "", "Thing"),
        ("class Thing", "class Other", "Other"),
        ("import Digest", "import Other", "Digest"),
    ],
)
def test_a_difference_between_the_halves_is_found(old: str, new: str, finding: str) -> None:
    assert old in HALF
    found = boundaries.differences(HALF, HALF.replace(old, new))
    assert [text for text in found if text.startswith(finding)]


def test_halves_that_only_call_otherwise_do_not_differ() -> None:
    other = HALF.replace("Get(Digest, MergeDigests(ds))", "merge_digests(MergeDigests(ds))")
    other = other.replace("pants.engine.fs", "pants.engine.files").replace("may differ", "differs")
    assert boundaries.differences(HALF, other) == []
