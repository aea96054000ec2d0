"""`publish`: which names are pushed by which process, and what is said of the others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact
from pants.core.goals.publish import PublishPackages
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.process import InteractiveProcess
from pants.testutil.option_util import create_subsystem

from pants_plugin_minimg.engine import StandardSearchPath
from pants_plugin_minimg.goals import publish
from pants_plugin_minimg.goals.publish import (
    CannotPublish,
    MinimalDockerImagePublishFieldSet,
    PublishMinimalDockerImageRequest,
)
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.target_types import MinimalDockerImageTarget
from pants_plugin_minimg.util_rules.names import ImageName
from pants_plugin_minimg.util_rules.products import BuiltMinimalImage
from pants_plugin_minimg.util_rules.registries import Registry
from tests.rules.fake_engine import ACCESS, FakeEngine, Tree, arguments, install

ONE = Registry("one.example.org", "one", use_local_alias=True)
TWO = Registry("two.example.org:5000/team")
SKIPPED = Registry("three.example.org", "three", skip_push=True)
DIGEST = "sha256:" + "d" * 64
SECRET = "hunter2"


def sandbox(argv: tuple[str, ...], inputs: Tree) -> Tree:
    assert argv[0] == "referrer"
    assert dict(inputs) == {"layout/index.json": b"index", "sbom.cdx.json": b"bill"}
    return {f"{argv[-1].partition('=')[2]}/index.json": b"refers"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = install(monkeypatch, sandbox)
    fake.programs["skopeo"] = "/usr/bin/skopeo"
    fake.environment = {"HOME": "/home/me", "PATH": "/opt/bin::/usr/bin", "TOKEN": SECRET}
    return fake


def run(
    fake: FakeEngine,
    names: list[ImageName],
    env_vars: tuple[str, ...] = (),
    parts: int = 0,
    **values: Any,
) -> list[PublishPackages]:
    address = Address("a", target_name="image")
    target = MinimalDockerImageTarget({"binary": ":b", **values}, address)
    layout = fake.store([fake.entry("layout/index.json", b"index"), fake.entry("layout/b", b"b")])
    bill = fake.entry("out/sbom.cdx.json", b"bill")
    part = BuiltMinimalImage(relpath="p.tar", layout=layout, sbom=bill, manifest="sha256:part")
    image = BuiltMinimalImage(
        relpath="x.tar",
        layout=layout,
        sbom=None if parts else bill,
        manifest=DIGEST,
        names=tuple(names),
        parts=(part,) * parts,
    )
    package = BuiltPackage(EMPTY_DIGEST, (image, BuiltPackageArtifact("x.cdx.json")))
    request = PublishMinimalDockerImageRequest(
        field_set=MinimalDockerImagePublishFieldSet.create(target), packages=(package,)
    )
    options = create_subsystem(
        MinimgSubsystem, publish_env_vars=list(env_vars), publish_retries=5, run_args=[]
    )
    rule = publish.publish_minimal_docker_image.rule
    search_path = StandardSearchPath(("/usr/bin",))
    return list(asyncio.run(rule.func(request, options, ACCESS, search_path)))


def name(registry: Registry | None, tag: str = "1", local: bool = False) -> ImageName:
    return ImageName("x", tag, tag, registry, local)


def process(published: PublishPackages) -> InteractiveProcess:
    assert isinstance(published.process, InteractiveProcess)
    return published.process


def test_every_registry_and_tag_by_its_own_process(fake: FakeEngine) -> None:
    names = [name(ONE), name(ONE, "2"), name(TWO)]
    found = run(fake, names)
    assert [each.names for each in found] == [(str(each),) for each in names]
    locations = ["one.example.org/x", "one.example.org/x", "two.example.org:5000/team/x"]
    for each, location, tag in zip(found, locations, ("1", "2", "1")):
        assert each.description == f"{location}@{DIGEST}"
        assert dict(each.data) == {"digest": DIGEST, "reference": f"{location}@{DIGEST}"}
        assert arguments(process(each).process) == (
            "push",
            "--skopeo=/usr/bin/skopeo",
            "--retries=5",
            "--address=a:image",
            "--layout=layout",
            f"--location={location}",
            f"--tag={tag}",
            "--referrer=referrer/0",
        )
        assert fake.tree(process(each).process.input_digest) == {
            "layout/index.json": b"index",
            "layout/b": b"b",
            "referrer/0/index.json": b"refers",
        }
    assert fake.commands() == ["referrer"]


def test_each_image_of_an_index_gets_its_own_sbom(fake: FakeEngine) -> None:
    (found,) = run(fake, [name(ONE)], parts=2)
    argv = process(found).process.argv
    assert argv[-2:] == ("--referrer=referrer/0", "--referrer=referrer/1")
    tree = fake.tree(process(found).process.input_digest)
    assert {"referrer/0/index.json", "referrer/1/index.json"} <= set(tree)
    assert dict(found.data)["digest"] == DIGEST


def test_without_the_sbom(fake: FakeEngine) -> None:
    (found,) = run(fake, [name(ONE)], attach_sbom=False)
    assert not any("referrer" in word for word in process(found).process.argv)
    assert "referrer/0/index.json" not in fake.tree(process(found).process.input_digest)
    assert fake.commands() == []


def test_what_is_not_pushed_says_why(fake: FakeEngine) -> None:
    names = [name(SKIPPED), name(SKIPPED, "2"), name(ONE), name(ONE, local=True)]
    pushed, by_registry, local = run(fake, names)
    assert pushed.names == ("one.example.org/x:1",)
    assert by_registry.process is None and local.process is None
    assert by_registry.names == ("three.example.org/x:1", "three.example.org/x:2")
    assert by_registry.description == "(by `skip_push` on registry @three)"
    assert local.names == ("one/x:1",)
    assert local.description == "(by `use_local_alias` on registry @one)"


@pytest.mark.parametrize(
    "names,values,reason",
    [
        ([name(ONE), name(None)], {"skip_push": True}, "(by `skip_push` on a:image)"),
        ([name(None)], {}, "(no registry: `registries` of a:image names none)"),
    ],
)
def test_with_nothing_to_push_nothing_is_needed(
    fake: FakeEngine, names: list[ImageName], values: dict[str, Any], reason: str
) -> None:
    fake.programs.clear()
    (found,) = run(fake, names, **values)
    assert found.process is None
    assert (found.names, found.description) == (tuple(map(str, names)), reason)


def test_no_skopeo(fake: FakeEngine) -> None:
    fake.programs.clear()
    with pytest.raises(CannotPublish, match="^MINIMG-E031 a:image: there is no `skopeo`"):
        run(fake, [name(ONE)])


def test_the_environment_is_what_was_named_and_no_log_shows_it(fake: FakeEngine) -> None:
    fake.environment["OTHER"] = "other"
    (found,) = run(fake, [name(ONE)], ("TOKEN",))
    pushing = process(found).process
    assert {key: pushing.env[key] for key in ("HOME", "PATH", "TOKEN", "LC_ALL")} == {
        "HOME": "/home/me",
        "PATH": "/opt/bin::/usr/bin",
        "TOKEN": SECRET,
        "LC_ALL": "C",
    }
    assert "OTHER" not in pushing.env
    # As the goal logs it, at level debug.
    assert SECRET not in f"Execute {found.process}" and "TOKEN" in f"Execute {found.process}"
    assert not any(SECRET in word for word in pushing.argv)
    # What is cached knows nothing of it.
    assert all("TOKEN" not in (each.env or {}) for each in fake.processes)


@pytest.mark.parametrize("bad", ["TOKEN=hunter2", "AWS_*", ""])
def test_the_option_takes_names_alone(fake: FakeEngine, bad: str) -> None:
    with pytest.raises(CannotPublish, match=r"^MINIMG-E018 \[minimg\].publish_env_vars: "):
        run(fake, [name(ONE)], (bad,))


def test_what_publish_output_holds() -> None:
    target = MinimalDockerImageTarget(
        {"binary": ":b", "registries": ["@one"]}, Address("a", target_name="image")
    )
    data = MinimalDockerImagePublishFieldSet.create(target).get_output_data()
    assert json.loads(json.dumps(dict(data), default=str)) == {
        "publisher": "minimg",
        "registries": ["@one"],
        "target": "a:image",
    }
