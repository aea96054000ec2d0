"""Chains of reasons, and what would leave with a path."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.inspection import explain
from pants_plugin_minimg.bundler.plan import Entry


def entry(path: str, size: int, *reasons: str) -> Entry:
    return Entry(path.encode(), "file", size=size, reasons=list(reasons))


GIT, SSH = "/usr/bin/git", "/usr/bin/ssh"
ENTRIES = [
    entry(GIT, 100, "named in `executables`"),
    entry(SSH, 50, "named in `executables`"),
    entry("/lib/libpcre.so.2", 30, f"needed by {GIT} as libpcre.so via system"),
    entry("/lib/libz.so.1", 20, f"needed by {GIT} as libz.so.1 via system",
          f"needed by {SSH} as libz.so.1 via cache"),
    entry("/lib/libdeep.so", 7, "needed by /lib/libpcre.so.2 as libdeep.so via RUNPATH /lib"),
    entry("/lib/link", 0, "link on the way to /lib/libdeep.so"),
    entry("/etc/passwd", 3, "preset passwd"),
]  # fmt: skip
LOADED = {GIT: {"libraries": [{"name": "libpcre.so", "path": "/lib/libpcre.so.2"}]}}


@pytest.fixture
def explanation() -> explain.Explanation:
    return explain.Explanation(ENTRIES, LOADED)


def test_the_chain_goes_up_to_a_wish(explanation: explain.Explanation) -> None:
    assert explanation.chain(b"/lib/libdeep.so") == [
        (b"/lib/libdeep.so", "needed by /lib/libpcre.so.2 as libdeep.so via RUNPATH /lib"),
        (b"/lib/libpcre.so.2", f"needed by {GIT} as libpcre.so via system"),
        (GIT.encode(), "named in `executables`"),
    ]


def test_what_would_leave_with_a_path(explanation: explain.Explanation) -> None:
    brings = {entry.path.decode(): explanation.node(entry.path).brings for entry in ENTRIES}
    assert brings == {
        GIT: 137, SSH: 50, "/lib/libpcre.so.2": 37, "/lib/libz.so.1": 20, "/lib/libdeep.so": 7,
        "/lib/link": 0, "/etc/passwd": 3,
    }  # fmt: skip
    top = [node.path.decode() for node in explanation.children(None)]
    assert top == [GIT, SSH, "/lib/libz.so.1", "/etc/passwd"]


@pytest.mark.parametrize("name", ["odd\\name", r"odd\\name"])
def test_a_name_is_taken_as_it_is_and_as_it_is_shown(name: str) -> None:
    odd = Entry(b"/odd\\name", "file", reasons=["named in `include`"])
    assert explain.Explanation([odd], {}).find(name) == [b"/odd\\name"]


def test_a_name_that_is_no_text_is_no_path(explanation: explain.Explanation) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E002"):
        explanation.find("a\udcff")


def test_a_path_is_found_by_its_name_and_by_what_programs_call_it(
    explanation: explain.Explanation,
) -> None:
    assert explanation.find("/lib/libz.so.1") == [b"/lib/libz.so.1"]
    assert explanation.find("git") == [GIT.encode()]
    assert explanation.find("libpcre.so") == [b"/lib/libpcre.so.2"]
    with pytest.raises(MinimgError) as caught:
        explanation.find("libgone.so")
    assert caught.value.code == "MINIMG-E002"


def test_a_circle_of_reasons_ends() -> None:
    circle = [entry("/a", 1, "needed by /b as a"), entry("/b", 2, "needed by /a as b")]
    found = explain.Explanation(circle, {})
    assert sum(node.brings for node in found.children(None)) == 3
    assert found.chain(b"/a")[-1][0] in (b"/a", b"/b")


def test_dominators_are_what_removing_a_path_takes_away() -> None:
    """Against the definition, on random graphs."""
    rng = random.Random(7)
    for _ in range(150):
        count = rng.randrange(2, 14)
        above = {
            number: [rng.randrange(count) for _ in range(rng.randrange(3))]
            for number in range(count)
        }
        entries = [
            entry(f"/n{n}", 1 << n, *(f"needed by /n{p} as x" for p in parents if p != n))
            for n, parents in above.items()
        ]
        for each in entries:
            each.reasons = each.reasons or ["named"]
        found = explain.Explanation(entries, {})
        reached = _reached(found._above, None)
        for each in entries:
            lost = reached - _reached(found._above, each.path)
            size = sum(other.size for other in entries if other.path in lost)
            assert found.node(each.path).brings == size, (above, each.path)


def _reached(above: dict[bytes, list[bytes]], without: bytes | None) -> set[bytes]:
    found: set[bytes] = set()
    grown = True
    while grown:
        more = {
            path
            for path, parents in above.items()
            if path != without and (not parents or found & set(parents))
        }
        grown, found = more != found, more
    return found


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"version": 1, "entries": [each.to_json() for each in ENTRIES], "loaded": LOADED}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    base = ["why", f"--plan={tmp_path / 'plan.json'}"]
    assert commands.main([*base, "libpcre.so"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "/lib/libpcre.so.2 (30 B, 37 B with what it alone brings)",
        f"  needed by {GIT} as libpcre.so via system",
        f"    {GIT}: named in `executables`",
    ]
    assert commands.main(base) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "210 B in all"
    assert lines[1:4] == [
        f"     137 B  65.2 %  {GIT}",
        "        37 B  17.6 %  /lib/libpcre.so.2",
        "           7 B   3.3 %  /lib/libdeep.so",
    ]
    assert commands.main([*base, "--json", "git"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["paths"]
    assert (found["path"], found["size"], found["brings"]) == (GIT, 100, 137)
    assert commands.main([*base, "gone"]) == 2


def test_a_reason_may_name_a_path_through_links() -> None:
    entries = [
        Entry(b"/lib", "link", target=b"usr/lib", reasons=["link on the way to /usr/lib/liba.so"]),
        entry("/usr/lib/liba.so.1", 5, f"needed by {GIT} as liba.so via system"),
        Entry(b"/usr/lib/liba.so", "link", target=b"liba.so.1",
              reasons=["link on the way to /usr/lib/liba.so.1"]),
        entry("/usr/lib/libb.so", 3, "needed by /lib/liba.so as libb.so via cache"),
        entry(GIT, 1, "named in `executables`"),
    ]  # fmt: skip
    explanation = explain.Explanation(entries, {})
    chain = [path for path, _ in explanation.chain(b"/usr/lib/libb.so")]
    assert chain == [b"/usr/lib/libb.so", b"/usr/lib/liba.so.1", GIT.encode()]
    assert explanation.node(GIT.encode()).brings == 9
