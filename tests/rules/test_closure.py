"""The step from an image's wishes to its plan: one process, and again while the host moves."""

from __future__ import annotations

import json

import pytest
from pants.engine.fs import CreateDigest, DigestEntries, FileContent
from pants.engine.process import ProcessCacheScope

from pants_plugin_minimg import engine
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.util_rules import closure
from tests.rules.fake_engine import BUNDLER, Failed, FakeEngine, Tree, install

REQUEST = {"version": 1, "address": "//a:image"}
HOST = {"kind": "host"}


class Host:
    """A machine whose file outside the sweep has a state; a plan remembers the one it saw."""

    def __init__(self, states: list[str], outside: bool = True) -> None:
        self.states = states
        self.outside = outside
        self.cached = "old"

    def look(self, consulted: str | None) -> str:
        assert consulted is not None
        return self.states.pop(0)

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
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


def on(monkeypatch: pytest.MonkeyPatch, machine: Host) -> FakeEngine:
    fake = install(monkeypatch, machine)
    fake.machine = machine.look
    return fake


def plan(
    fake: FakeEngine, scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL
) -> closure.Planned:
    async def steps() -> closure.Planned:
        sweep = fake.store([fake.entry("sweep.json", b"swept")])
        tree = fake.store([fake.entry("trees/0/a", b"program")])
        sysroot = closure.Sysroot(HOST, (sweep,), of_host=True, scope=scope)
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
    fake = on(monkeypatch, Host(["old"]))
    plan(fake)
    assert fake.commands() == ["plan"] and fake.looks == ["old"]
    assert fake.processes[0].cache_scope == ProcessCacheScope.SUCCESSFUL


def test_changed_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = on(monkeypatch, Host(["new", "new"]))
    assert plan(fake).steps["seen"] == "new"
    assert fake.commands() == ["plan", "plan"] and fake.looks == ["old", "new"]
    assert fake.tree(fake.processes[1].input_digest)["outside.json"] == b"new"


def test_what_tells_of_this_machine_has_the_scope_of_its_sysroot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = on(monkeypatch, Host([], outside=False))
    scope = ProcessCacheScope.PER_RESTART_SUCCESSFUL
    plan(fake, scope)
    assert [process.cache_scope for process in fake.processes] == [scope]


def test_a_host_that_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = on(monkeypatch, Host([str(number) for number in range(99)]))
    with pytest.raises(BundlerError, match="^MINIMG-E022 //a:image: .* 5 times"):
        plan(fake)
    assert fake.commands() == ["plan"] * 5


def test_a_problem_has_the_address_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        raise Failed(2, "MINIMG-E002 /bin/tool: there is no such file.\n")

    fake = install(monkeypatch, command)
    sysroot = closure.Sysroot({"kind": "debian"}, (), of_host=False)
    with pytest.raises(BundlerError, match="^MINIMG-E002 //a:image: /bin/tool: there is no"):
        fake.run(closure.plan(BUNDLER, sysroot, REQUEST, [], "Find it"))


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


def test_contents_of_this_machine_stay_links(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Host([], outside=False))
    files = {path: fake.entry(path, b"x") for path in ("plan.json", "steps.json", "blobs/b")}
    planned = closure.Planned(files, {}, {"blobs/a": "/usr/lib/a"})
    entries = CreateDigest(planned.whole())
    (digest,) = fake.run(engine.create_digests((entries,)))
    assert sorted(fake.tree(digest)) == ["blobs/b", "plan.json"]
    assert fake.links(digest) == {"blobs/a": "/usr/lib/a"}
    assert closure.links_below(DigestEntries(planned.whole()), "blobs") == {"a": "/usr/lib/a"}
    assert [entry.path for entry in planned.contents(["b", "a"])] == ["blobs/b", "blobs/a"]


def test_a_document_keeps_the_order_that_was_given() -> None:
    content = closure.document("x.json", {"b": "1", "a": ("x",)}).content
    assert content == b'{\n "b": "1",\n "a": [\n  "x"\n ]\n}\n'
