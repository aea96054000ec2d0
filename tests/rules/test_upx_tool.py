"""Which UPX packs: one of a sysroot, for the machine that builds, or this machine's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address
from pants.engine.fs import Digest
from pants.testutil.option_util import create_subsystem

from pants_plugin_minimg.engine import StandardSearchPath
from pants_plugin_minimg.goals import package
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.subsystems.upx import UpxSubsystem
from pants_plugin_minimg.sysroot_targets import RootfsSysrootTarget
from pants_plugin_minimg.util_rules.host import HostAccess, UnusableSysroot
from tests.rules.fake_engine import BUNDLER, Failed, FakeEngine, Tree, install


class Sandbox:
    def __init__(self) -> None:
        self.request: dict[str, Any] = {}

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
        if argv[0] == "rootfs":
            return {"rootfs/0.tar": inputs["source"]}
        self.request = json.loads(inputs["request.json"])
        return {
            "out/steps.json": b'{"outside": false}',
            "out/consulted.json": b"{}",
            "out/plan.json": b"plan",
            "out/blobs/uu": b"upx",
        }


def tool(fake: FakeEngine, sysroot: str | None, access: HostAccess) -> Digest:
    upx = create_subsystem(UpxSubsystem, sysroot=sysroot, args=[])
    debian = create_subsystem(DebianSubsystem, mirrors=[], keyrings=[], timestamp=None)
    search_path = StandardSearchPath(("/usr/bin",))
    return fake.run(package._upx(BUNDLER, "a:image", upx, access, debian, search_path))


def with_rootfs(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> FakeEngine:
    fake = install(monkeypatch, sandbox)
    tar = FileTarget({"source": "x.tar"}, Address("s", target_name="tar"))
    fake.add(tar, {"s/x.tar": b"a tar"})
    fake.targets[":tar"] = tar
    fake.targets["//s:upx"] = RootfsSysrootTarget(
        {"source": ":tar"}, Address("s", target_name="upx")
    )
    return fake


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_of_a_sysroot_it_is_the_one_for_the_machine_that_builds(
    monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    sandbox = Sandbox()
    fake = with_rootfs(monkeypatch, sandbox)
    fake.programs["upx"] = "/usr/bin/upx"
    digest = tool(fake, "//s:upx", HostAccess("it rains", architecture=architecture))
    assert fake.tree(digest) == {"tool/plan.json": b"plan", "tool/blobs/uu": b"upx"}
    assert fake.commands() == ["rootfs", "plan"]
    assert sandbox.request["executables"] == ["/usr/bin/upx-ucl"]
    assert sandbox.request["sysroot"]["architecture"] == architecture


@pytest.mark.parametrize("unset", [None, ""])
def test_without_one_it_is_this_machines(
    monkeypatch: pytest.MonkeyPatch, unset: str | None
) -> None:
    sandbox = Sandbox()
    fake = install(monkeypatch, sandbox)
    fake.programs["upx"] = "/opt/bin/upx"
    tool(fake, unset, HostAccess(None))
    assert fake.commands() == ["plan"]
    assert sandbox.request["executables"] == ["/opt/bin/upx"]
    assert sandbox.request["sysroot"] == {"kind": "host", "lists": None}


def test_this_machines_needs_access_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Sandbox())
    fake.programs["upx"] = "/usr/bin/upx"
    with pytest.raises(UnusableSysroot, match="^MINIMG-E019 a:image: "):
        tool(fake, None, HostAccess("it rains"))
    assert fake.processes == []


def test_a_sysroot_without_upx(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(argv: tuple[str, ...], inputs: Tree) -> Tree:
        raise Failed(2, "MINIMG-E002 /usr/bin/upx-ucl: there is no such file.\n")

    fake = install(monkeypatch, plan)
    fake.programs["upx"] = "/usr/bin/upx"
    with pytest.raises(BundlerError, match=r"^MINIMG-E002 \[minimg-upx\]: /usr/bin/upx-ucl: "):
        tool(fake, None, HostAccess(None))


def test_arguments_by_option_that_do_not_choose_how_to_compress() -> None:
    upx = create_subsystem(UpxSubsystem, sysroot=None, args=["--lzma", "-d"])
    (problem,) = upx.problems()
    assert str(problem).startswith("MINIMG-E018 [minimg-upx].args: '-d' is no option that chooses")
