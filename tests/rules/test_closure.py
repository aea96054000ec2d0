"""The step from an image's wishes to its plan: one process, and again while the host moves."""

from __future__ import annotations

import json

import pytest
from pants.engine.fs import FileContent
from pants.engine.process import ProcessCacheScope

from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.util_rules import closure
from tests.rules.fake_engine import BUNDLER, FakeEngine, Tree, install

REQUEST = {"version": 1, "address": "//a:image"}
HOST = {"kind": "host"}


class Host:
    """A machine whose file outside the sweep has a state; a plan remembers the one it saw."""

    def __init__(self, states: list[str], outside: bool = True) -> None:
        self.states = states
        self.outside = outside
        self.cached = "old"

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
        if argv[0] == "stat":
            return {"outside.json": self.states.pop(0).encode()}
        assert argv[0] == "plan"
        assert json.loads(inputs["request.json"]) == {**REQUEST, "sysroot": HOST}
        assert inputs["sweep.json"] == b"swept"
        assert ("--outside=outside.json" in argv) == ("outside.json" in inputs)
        seen = inputs.get("outside.json", self.cached.encode())
        return {
            "out/steps.json": json.dumps({"outside": self.outside, "seen": seen.decode()}).encode(),
            "out/consulted.json": seen,
            "out/plan.json": b"{}",
        }


def plan(fake: FakeEngine) -> closure.Planned:
    async def steps() -> closure.Planned:
        sweep = fake.store([fake.entry("sweep.json", b"swept")])
        tree = fake.store([fake.entry("trees/0/a", b"program")])
        sysroot = closure.Sysroot(HOST, (sweep,), of_host=True)
        return await closure.plan(BUNDLER, sysroot, REQUEST, [tree], "Find it")

    return fake.run(steps())


def test_all_of_it_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host([], outside=False))
    planned = plan(fake)
    assert fake.commands() == ["plan"]
    assert sorted(planned.files) == ["consulted.json", "plan.json", "steps.json"]
    assert set(fake.tree(fake.processes[0].input_digest)) == {
        "request.json",
        "sweep.json",
        "trees/0/a",
    }


def test_unchanged_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host(["old"]))
    plan(fake)
    assert fake.commands() == ["plan", "stat"]
    assert fake.processes[1].cache_scope == ProcessCacheScope.PER_SESSION
    assert fake.processes[0].cache_scope == ProcessCacheScope.SUCCESSFUL


def test_changed_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host(["new", "new"]))
    assert plan(fake).steps["seen"] == "new"
    assert fake.commands() == ["plan", "stat", "plan", "stat"]
    assert fake.tree(fake.processes[2].input_digest)["outside.json"] == b"new"


def test_a_host_that_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host([str(number) for number in range(99)]))
    with pytest.raises(BundlerError, match="^MINIMG-E022 //a:image: .* 5 times"):
        plan(fake)
    assert fake.commands() == ["plan", "stat"] * 5


def test_of_packages_nothing_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their content is in the key: one process, whatever the machine has."""

    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert argv == ("plan", "--request=request.json", "--out=out")
        assert json.loads(inputs["request.json"])["sysroot"] == {"kind": "debian"}
        assert inputs["packages/git/data.tar"] == b"tar"
        return {"out/steps.json": b"{}"}

    fake = install(monkeypatch, command)

    async def steps() -> closure.Planned:
        package = fake.store([fake.entry("packages/git/data.tar", b"tar")])
        sysroot = closure.Sysroot({"kind": "debian"}, (package,), of_host=False)
        return await closure.plan(BUNDLER, sysroot, REQUEST, [], "Find it")

    assert sorted(fake.run(steps()).files) == ["steps.json"]
    assert fake.processes[0].cache_scope == ProcessCacheScope.SUCCESSFUL


def test_renamed_copies_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host([], outside=False))
    planned = closure.Planned({"blobs/a": fake.entry("blobs/a", b"x")}, {})
    (entry,) = planned.renamed({"blobs/a": "content"}, executable=True)
    assert not isinstance(entry, FileContent)
    assert entry.path == "content"
    assert entry.file_digest == planned.files["blobs/a"].file_digest  # type: ignore[union-attr]
    assert entry.is_executable  # type: ignore[union-attr]


def test_a_document_keeps_the_order_that_was_given() -> None:
    content = closure.document("x.json", {"b": "1", "a": ("x",)}).content
    assert content == b'{\n "b": "1",\n "a": [\n  "x"\n ]\n}\n'
