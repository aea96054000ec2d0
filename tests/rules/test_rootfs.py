"""The root file system of a `rootfs_sysroot`: one file of another target, unpacked by content."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pants.core.target_types import FilesGeneratorTarget, FileTarget
from pants.engine.addresses import Address
from pants.engine.process import ProcessCacheScope
from pants.engine.target import Target

from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.sysroot_targets import RootfsSysrootTarget
from pants_plugin_minimg.util_rules import rootfs
from pants_plugin_minimg.util_rules.executables import BadDependencies
from tests.rules.fake_engine import BUNDLER, FakeEngine, Tree, arguments, install

SYSROOT = RootfsSysrootTarget({"source": ":tar"}, Address("s", target_name="alpine"))


def unpack(argv: tuple[str, ...], inputs: Tree) -> Tree:
    assert sorted(inputs) == ["source"]
    return {"rootfs/0.tar": inputs["source"], "rootfs/index.json": b"{}"}


def file_target(path: str) -> Target:
    return FileTarget({"source": path}, Address("s", target_name="tar"))


def unpacked(
    monkeypatch: pytest.MonkeyPatch,
    files: Tree,
    target: Target | None = None,
    architecture: str | None = None,
    executable: Collection[str] = (),
) -> tuple[dict[str, bytes], FakeEngine]:
    fake = install(monkeypatch, unpack)
    source = target if target is not None else file_target("alpine.tar")
    fake.add(source, files)
    fake.targets[":tar"] = source
    fake.executable.update(executable)
    return fake.tree(fake.run(rootfs.unpacked(BUNDLER, SYSROOT, architecture))), fake


def test_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, fake = unpacked(monkeypatch, {"s/alpine.tar": b"a tar"})
    assert tree == {"rootfs/0.tar": b"a tar", "rootfs/index.json": b"{}"}
    (process,) = fake.processes
    assert arguments(process) == ("rootfs", "--in=source", f"--limit={64 << 30}", "--out=rootfs")
    assert fake.tree(process.input_digest) == {"source": b"a tar"}
    assert process.output_directories == ("rootfs",)
    assert process.cache_scope == ProcessCacheScope.SUCCESSFUL
    assert process.description.startswith("Unpack the root file system s:alpine (")


def test_an_architecture_chooses_among_the_images_of_an_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, fake = unpacked(monkeypatch, {"s/alpine.tar": b"a tar"}, architecture="arm64")
    assert arguments(fake.processes[0])[:3] == ("rootfs", "--in=source", "--architecture=arm64")


def test_what_the_file_is_called_is_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    _, one = unpacked(monkeypatch, {"s/alpine.tar": b"a tar"})
    _, two = unpacked(monkeypatch, {"s/x/other.tar.gz": b"a tar"}, file_target("x/other.tar.gz"))
    _, three = unpacked(monkeypatch, {"s/alpine.tar": b"another tar"})
    assert one.processes == two.processes != three.processes


def test_the_executable_bit_of_the_file_is_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    _, plain = unpacked(monkeypatch, {"s/alpine.tar": b"a tar"})
    _, other = unpacked(monkeypatch, {"s/alpine.tar": b"a tar"}, executable={"s/alpine.tar"})
    assert other.processes == plain.processes


def test_several_files_are_refused_before_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    target = FilesGeneratorTarget({"sources": ["*.tar"]}, Address("s", target_name="tar"))
    processes: list[FakeEngine] = []
    monkeypatch.setattr(FakeEngine, "_execute", lambda self, process: processes.append(self))
    with pytest.raises(BundlerError) as caught:
        unpacked(monkeypatch, {"s/a.tar": b"a", "s/b.tar": b"b"}, target)
    assert str(caught.value) == (
        "MINIMG-E020 s:alpine: `source` names :tar, which builds 2 files. "
        "Name a target that builds one: a tar, or an image in a file."
    )
    assert processes == []


def test_a_target_without_files_is_refused_at_the_sysroot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BadDependencies, match="^MINIMG-E020 s:alpine: `source` names s:tar, a"):
        unpacked(monkeypatch, {})
