"""`package` of images from declared sysroots, with the real sandbox program and real downloads."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pants.core import register as core
from pants.core.goals import generate_lockfiles
from pants.core.goals.generate_lockfiles import GenerateLockfilesGoal
from pants.core.goals.package import BuiltPackage
from pants.core.target_types import FilesGeneratorTarget, FileTarget
from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage
from tests.bundler.debian import archive, debs
from tests.bundler.debian.debs import File
from tests.bundler.debian.mirror import Archive
from tests.rules import debian_archive
from tests.rules.support import plugin_rules, run_goal, set_options

BUILD = """\
debian_sysroot(
    name="small", suites=["bookworm"], packages=["tool", "other"], lockfile="small.lock"
)
debian_sysroot(name="unlocked", suites=["bookworm"], packages=["tool"], lockfile="unlocked.lock")
minimal_docker_image(
    name="image",
    sysroot=":small",
    packages=["tool"],
    executables=["/usr/bin/tool"],
    files={"/etc/app.toml": ":config"},
    presets=["passwd"],
)
minimal_docker_image(name="bare", sysroot=":small", package_records=False,
                     executables=["/usr/bin/tool"])
minimal_docker_image(name="outside", sysroot=":small", packages=["tool"],
                     executables=["/usr/bin/other"])
minimal_docker_image(name="early", sysroot=":unlocked", executables=["/usr/bin/tool"])
file(name="config", source="app.toml")

file(name="tar", source="rootfs.tar.gz")
rootfs_sysroot(name="rootfs", source=":tar")
minimal_docker_image(name="of_rootfs", sysroot=":rootfs", executables=["/bin/tool"])
files(name="several", sources=["*.tar.gz", "app.toml"])
rootfs_sysroot(name="of_several", source=":several")
minimal_docker_image(name="refused", sysroot=":of_several", executables=["/bin/tool"])
minimal_docker_image(name="no_sysroot", sysroot=":config", executables=["/bin/tool"])
"""


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    made = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            *generate_lockfiles.rules(),
            QueryRule(BuiltPackage, [MinimalDockerImageFieldSet]),
            QueryRule(DigestContents, [Digest]),
        ],
        target_types=[*register.target_types(), FileTarget, FilesGeneratorTarget],
        aliases=[register.build_file_aliases()],
    )
    rootfs = [
        debs.folder("./bin/"),
        File("./bin/busybox", debian_archive.program(b"rootfs"), mode=0o755),
        debs.link("./bin/tool", "busybox"),
        File("./etc/unused", b"unused\n"),
    ]
    content = debs.compress(debs.tar(rootfs), "gz")
    made.write_files({"s/BUILD": BUILD, "s/app.toml": "a = 1\n", "s/rootfs.tar.gz": content})
    return made


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("mirror")
    key = archive.key(folder)
    made = debian_archive.archive_in(folder / "debian", key)
    made.write()
    yield made
    archive.forget(key.home)


def options(mirror: Archive, *before: str) -> list[str]:
    return [
        f"--minimg-debian-mirrors={[*before, mirror.url]!r}",
        f"--minimg-debian-keyrings=['{mirror.key.ring}']",
    ]


@pytest.fixture(scope="module")
def locked(rule_runner: RuleRunner, mirror: Archive) -> str:
    args = ["--resolve=small"]
    assert run_goal(rule_runner, GenerateLockfilesGoal, options(mirror), args) == 0
    return Path(rule_runner.build_root, "s/small.lock").read_text()


@dataclass(frozen=True)
class Image:
    """What was built: the files beside each other in `dist`, and those in the image."""

    built: BuiltPackage
    files: dict[str, bytes]
    config: dict[str, Any]
    members: dict[str, tarfile.TarInfo]
    contents: dict[str, bytes]

    @property
    def bill(self) -> Any:
        return json.loads(self.files[self.built.artifacts[2].relpath or ""])

    @property
    def log_lines(self) -> str:
        return "\n".join(self.built.artifacts[0].extra_log_lines)

    def paths(self) -> list[str]:
        """All but folders."""
        return sorted(path for path, member in self.members.items() if not member.isdir())


def contents(rule_runner: RuleRunner, digest: Digest) -> dict[str, bytes]:
    return {file.path: file.content for file in rule_runner.request(DigestContents, [digest])}


def build(rule_runner: RuleRunner, name: str, args: list[str]) -> Image:
    set_options(rule_runner, args)
    target = rule_runner.get_target(Address("s", target_name=name))
    built = rule_runner.request(BuiltPackage, [MinimalDockerImageFieldSet.create(target)])
    artifact = built.artifacts[0]
    assert isinstance(artifact, BuiltMinimalImage) and artifact.layout is not None
    layout = contents(rule_runner, artifact.layout)

    def blob(descriptor: dict[str, Any]) -> bytes:
        return layout["layout/blobs/" + descriptor["digest"].replace(":", "/")]

    (manifest,) = json.loads(layout["layout/index.json"])["manifests"]
    parsed = json.loads(blob(manifest))
    members, found = {}, {}
    for layer in parsed["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer))) as tar:
            for member in tar:
                members[member.name] = member
                stream = tar.extractfile(member)
                if stream is not None:
                    found[member.name] = stream.read()
    files = contents(rule_runner, built.digest)
    return Image(built, files, json.loads(blob(parsed["config"])), members, found)


def refusal(rule_runner: RuleRunner, name: str, args: list[str]) -> str:
    with pytest.raises(ExecutionError) as caught:
        build(rule_runner, name, args)
    return str(list(caught.value.wrapped_exceptions)[0])


def test_an_image_of_locked_packages(rule_runner: RuleRunner, mirror: Archive, locked: str) -> None:
    image = build(rule_runner, "image", options(mirror))
    status = "var/lib/dpkg/status.d"
    assert image.paths() == [
        "etc/app.toml",
        "etc/group",
        "etc/passwd",
        "usr/bin/tool",
        "usr/lib/os-release",
        "usr/share/doc/tool/copyright",
        f"{status}/base-files",
        f"{status}/base-files.md5sums",
        f"{status}/tool",
        f"{status}/tool.md5sums",
    ]
    assert image.contents["usr/bin/tool"] == debian_archive.program(b"1.0")
    assert image.members["usr/bin/tool"].mode == 0o755
    assert image.contents["usr/lib/os-release"] == debian_archive.OS_RELEASE
    assert image.contents["usr/share/doc/tool/copyright"] == debian_archive.COPYRIGHT
    assert b"Package: tool\n" in image.contents[f"{status}/tool"]
    assert b"Version: 1.0\n" in image.contents[f"{status}/tool"]
    sums = image.contents[f"{status}/tool.md5sums"]
    assert b"usr/bin/tool\n" in sums and b"unused" not in sums
    assert image.config["config"]["Entrypoint"] == ["/usr/bin/tool"]
    assert (image.config["os"], image.config["architecture"]) == ("linux", "amd64")


def test_its_bill_of_materials_lies_beside_it(
    rule_runner: RuleRunner, mirror: Archive, locked: str
) -> None:
    image = build(rule_runner, "image", options(mirror))
    relpaths = [artifact.relpath for artifact in image.built.artifacts]
    assert relpaths == ["s/image.tar", "s/image.docker-info.json", "s/image.cdx.json"]
    assert set(relpaths) == set(image.files)
    named = {item["name"]: item.get("purl") for item in image.bill["components"]}
    assert named["tool"] == "pkg:deb/debian/tool@1.0?arch=amd64&distro=debian-12"
    assert "base-files" in named and "other" not in named


def test_nothing_of_it_is_said_to_be_of_this_machine(
    rule_runner: RuleRunner, mirror: Archive, locked: str
) -> None:
    assert "this machine" not in build(rule_runner, "image", options(mirror)).log_lines


def test_records_can_be_left_out(rule_runner: RuleRunner, mirror: Archive, locked: str) -> None:
    assert build(rule_runner, "bare", options(mirror)).paths() == ["usr/bin/tool"]


def test_a_program_of_a_package_out_of_scope_is_not_there(
    rule_runner: RuleRunner, mirror: Archive, locked: str
) -> None:
    message = refusal(rule_runner, "outside", options(mirror))
    assert message.startswith("MINIMG-E0") and "/usr/bin/other" in message


def test_a_sysroot_without_a_lock(rule_runner: RuleRunner, mirror: Archive) -> None:
    message = refusal(rule_runner, "early", options(mirror))
    assert message.startswith("MINIMG-E023 s:unlocked: there is no lock s/unlocked.lock. Run `")
    assert "generate-lockfiles --resolve=unlocked`" in message


@contextmanager
def newer_tool(
    rule_runner: RuleRunner, mirror: Archive, locked: str, version: str
) -> Iterator[str]:
    """Locked, and fetched by no test before; then all is as it was. Gives its path in the pool."""
    mirror.packages[1] = debian_archive.tool(version)
    mirror.write()
    try:
        assert (
            run_goal(rule_runner, GenerateLockfilesGoal, options(mirror), ["--resolve=small"]) == 0
        )
        yield mirror.packages[1].path
    finally:
        mirror.packages[1] = debian_archive.tool()
        mirror.write()
        rule_runner.write_files({"s/small.lock": locked})


def test_a_mirror_that_has_nothing_is_passed_over(
    rule_runner: RuleRunner, mirror: Archive, locked: str, tmp_path: Path
) -> None:
    with newer_tool(rule_runner, mirror, locked, "3.0"), archive.serving() as empty:
        args = options(mirror, f"file://{tmp_path}", f"{empty.base}/debian")
        image = build(rule_runner, "image", args)
    assert image.contents["usr/bin/tool"] == debian_archive.program(b"3.0")
    assert any(path.startswith("debian/pool/main/t/tool/tool_3.0") for path in empty.asked)


def test_a_package_that_no_mirror_has_any_more(
    rule_runner: RuleRunner, mirror: Archive, locked: str
) -> None:
    with newer_tool(rule_runner, mirror, locked, "4.0") as path, archive.serving() as empty:
        os.remove(mirror.folder / path)
        message = refusal(rule_runner, "image", options(mirror, f"{empty.base}/debian"))
    assert message.startswith(f"MINIMG-E024 s:small: no mirror has {path}: ")
    assert f"{empty.base}/debian/{path}" in message and f"{mirror.folder}/{path}" in message
    assert "generate-lockfiles --resolve=small" in message and "\n" not in message


def test_a_mirror_that_has_other_bytes_is_not_believed(
    rule_runner: RuleRunner, mirror: Archive, locked: str
) -> None:
    with newer_tool(rule_runner, mirror, locked, "5.0") as path:
        content = bytearray((mirror.folder / path).read_bytes())
        content[-1] ^= 1
        (mirror.folder / path).write_bytes(bytes(content))
        message = refusal(rule_runner, "image", options(mirror))
    assert message.startswith(f"MINIMG-E024 s:small: no mirror has {path}: ")


def test_an_image_of_a_root_file_system(rule_runner: RuleRunner) -> None:
    image = build(rule_runner, "of_rootfs", [])
    assert image.paths() == ["bin/busybox", "bin/tool"]
    assert image.contents["bin/busybox"] == debian_archive.program(b"rootfs")
    assert image.members["bin/tool"].linkname == "busybox"
    assert "this machine" not in image.log_lines
    assert image.bill["bomFormat"] == "CycloneDX"


def test_a_root_file_system_of_several_files(rule_runner: RuleRunner) -> None:
    message = refusal(rule_runner, "refused", [])
    assert message.startswith("MINIMG-E020 s:of_several: `source` names :several, which builds 2 ")


def test_a_sysroot_that_is_none(rule_runner: RuleRunner) -> None:
    message = refusal(rule_runner, "no_sysroot", [])
    assert message.startswith("MINIMG-E020 s:no_sysroot: its sysroot s:config is a `file`. ")
