"""`publish` to real registries, with TLS and passwords."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import requirements
from tests.bundler.elf_builder import Spec, build
from tests.integration import registry
from tests.integration.pants_runs import Repository, Run
from tests.integration.registry import PASSWORD, Registry

BUILD = """
minimal_docker_image(
    name="image",
    executables=["/bin/echo"],
    registries=["@one", "@two"],
    repository="team/{name}",
    image_tags=["1", "{env.REVISION}"],
)
minimal_docker_image(
    name="other",
    executables=["/bin/echo"],
    registries=["@one"],
    env={"A": "%s"},
)
minimal_docker_image(name="skipped", executables=["/bin/echo"], registries=["@one", "@no"])
minimal_docker_image(name="nowhere", executables=["/bin/echo"], registries=[])
file(name="amd64_program", source="amd64/program")
file(name="arm64_program", source="arm64/program")
minimal_docker_image(name="amd64", binary=":amd64_program")
minimal_docker_image(name="arm64", binary=":arm64_program")
minimal_docker_index(
    name="index", images=[":amd64", ":arm64"], registries=["@one"], image_tags=["1"]
)
"""
HELPER = """#!/bin/sh
test "$1" = get && test -n "$HELPER_TOKEN" || exit 1
printf '{"ServerURL": "x", "Username": "publisher", "Secret": "%s"}' "$HELPER_TOKEN"
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """For all tests, with a pantsd that lives as long."""
    # The docker backend is on beside ours, which reads its options.
    made = Repository(tmp_path_factory.mktemp("site") / "root", backends=("pants.backend.docker",))
    for name, machine in (("amd64", 62), ("arm64", 183)):
        program = made.root / name / "program"
        program.parent.mkdir()
        program.write_bytes(build(Spec(dynamic=False, e_type=2, machine=machine)))
    yield made
    made.stop_daemon()


class Site:
    """Two registries, sources with nothing built, and a user who is logged in to both."""

    def __init__(
        self,
        folder: Path,
        repository: Repository,
        one: Registry,
        two: Registry,
        certificates: Path,
    ) -> None:
        self.folder, self.repository, self.one, self.two = folder, repository, one, two
        config = registry.credentials(folder / "docker", one.address)
        auths = json.loads((config / "config.json").read_text())["auths"]
        auths[two.address] = auths[one.address]
        (config / "config.json").write_text(json.dumps({"auths": auths}))
        self.logged_in = {
            "DOCKER_CONFIG": str(config),
            "SSL_CERT_FILE": str(certificates / "bundle.pem"),
            "REVISION": "abc123",
        }
        repository.env = {"PANTS_PANTSD": "true", **self.logged_in}
        repository.write("BUILD", BUILD % "1")
        shutil.rmtree(repository.root / "dist", ignore_errors=True)

    def registries(self, **more: str) -> str:
        addresses = {"one": self.one.address, "two": self.two.address, **more}
        entries = {alias: {"address": address} for alias, address in addresses.items()}
        no: dict[str, Any] = {"address": "no.example.org", "skip_push": True}
        return f"--minimg-registries={ {**entries, 'no': no} }"

    def publish(self, target: str, *arguments: str, level: str = "debug", **registries: str) -> Run:
        options = (self.registries(**registries), *arguments)
        return self.repository.pants(*options, "publish", target, level=level)

    def skopeo(self, *arguments: str) -> bytes:
        return subprocess.run(
            [requirements.program("skopeo"), *arguments],
            env={**self.logged_in, "PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            check=True,
            capture_output=True,
        ).stdout

    def manifest(self, reference: str) -> tuple[str, Any]:
        """Its digest and itself, as the registry has it."""
        raw = self.skopeo("inspect", "--raw", f"docker://{reference}")
        return "sha256:" + hashlib.sha256(raw).hexdigest(), json.loads(raw)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return registry.authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def site(tmp_path: Path, repository: Repository, certificates: Path) -> Iterator[Site]:
    requirements.program("skopeo")
    with registry.running(tmp_path / "one", certificates) as one:
        with registry.running(tmp_path / "two", certificates) as two:
            yield Site(tmp_path, repository, one, two, certificates)


def lines(run: Run) -> list[str]:
    """The log of Pants without what only a debug level shows."""
    return [line for line in run.stderr.splitlines() if "[DEBUG]" not in line]


def test_an_index_is_one_push_with_an_sbom_for_each_image(site: Site) -> None:
    run = site.publish("//:index").succeeded()
    site.repository.pants(site.registries(), "package", "//:index").succeeded()
    info = json.loads(site.repository.dist("index.docker-info.json").read_text())
    location = f"{site.one.address}/index"
    assert f"published to {location}@{info['index']['digest']}." in run.stderr
    digest, index = site.manifest(f"{location}:1")
    assert digest == info["index"]["digest"]
    assert [item["digest"] for item in index["manifests"]] == [
        item["digest"] for item in info["manifests"]
    ]
    for item in index["manifests"]:
        assert site.manifest(f"{location}@{item['digest']}")[0] == item["digest"]
        _, listed = site.manifest(f"{location}:{item['digest'].replace(':', '-')}")
        (descriptor,) = listed["manifests"]
        _, referrer = site.manifest(f"{location}@{descriptor['digest']}")
        assert referrer["subject"]["digest"] == item["digest"]


def test_two_registries_and_two_tags_by_one_digest(site: Site) -> None:
    output = site.folder / "published.json"
    run = site.publish("//:image", f"--publish-output={output}").succeeded()
    site.repository.pants(site.registries(), "package", "//:image").succeeded()
    info = json.loads(site.repository.dist("image.docker-info.json").read_text())
    digest = info["manifests"][0]["digest"]

    locations = [f"{each.address}/team/image" for each in (site.one, site.two)]
    names = {f"{location}:{tag}": location for location in locations for tag in ("1", "abc123")}
    assert {
        tag["name"]: f"{each['address']}/{each['repository']}"
        for each in info["registries"]
        for tag in each["tags"]
    } == names
    published = {each["names"][0]: each for each in json.loads(output.read_text())}
    assert set(published) == set(names)
    for name, location in names.items():
        assert f"{name} published to {location}@{digest}." in run.stderr
        assert site.manifest(name)[0] == digest
        assert published[name]["published"] is True
        assert published[name]["digest"] == digest
        assert published[name]["reference"] == f"{location}@{digest}"
        assert published[name]["target"] == "//:image"
    inspected = json.loads(site.skopeo("inspect", f"docker://{next(iter(names))}"))
    assert (inspected["Digest"], sorted(inspected["RepoTags"])[:2]) == (digest, ["1", "abc123"])
    assert PASSWORD not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr

    # The SBOM refers to the image, and is found by the tag of the image's digest.
    for location in locations:
        _, listed = site.manifest(f"{location}:{digest.replace(':', '-')}")
        (descriptor,) = listed["manifests"]
        referrer_digest, referrer = site.manifest(f"{location}@{descriptor['digest']}")
        assert referrer_digest == descriptor["digest"]
        assert referrer["artifactType"] == "application/vnd.cyclonedx+json"
        assert referrer["subject"]["digest"] == digest
        bill = site.repository.dist("image.cdx.json").read_bytes()
        assert referrer["layers"][0]["digest"] == "sha256:" + hashlib.sha256(bill).hexdigest()

    # A second time nothing is sent that is there.
    before = [each.uploads() for each in (site.one, site.two)]
    assert all(before)
    site.publish("//:image").succeeded()
    assert [each.uploads() for each in (site.one, site.two)] == before


def test_a_tag_that_exists_moves_and_without_sbom_there_is_none(site: Site) -> None:
    digests = []
    for value in ("1", "2"):
        site.repository.write("BUILD", BUILD.replace("env={", "attach_sbom=False,env={") % value)
        site.publish("//:other").succeeded()
        digests.append(site.manifest(f"{site.one.address}/other:latest")[0])
    assert digests[0] != digests[1]
    tags = json.loads(site.skopeo("list-tags", f"docker://{site.one.address}/other"))["Tags"]
    assert tags == ["latest"]


@pytest.mark.parametrize("password", ["wrong-horse-8", None])
def test_wrong_and_missing_credentials(site: Site, password: str | None) -> None:
    if password is None:
        config = site.folder / "none"
        config.mkdir()
    else:
        config = registry.credentials(site.folder / "wrong", site.one.address, password)
    site.repository.env["DOCKER_CONFIG"] = str(config)
    run = site.publish("//:other")
    assert run.exit_code != 0
    (error,) = [line for line in lines(run) if "MINIMG-E" in line]
    reference = f"{site.one.address}/other:latest"
    assert error == (
        f"MINIMG-E034 //:other: {reference} was not pushed. "
        f"Log in: `skopeo login {site.one.address}`. Why, skopeo says above."
    )
    assert "authentication required" in run.stderr
    assert f"{reference} failed for {site.one.address}/other@sha256:" in run.stderr
    secret = json.dumps(json.loads((config / "config.json").read_text())) if password else ""
    for word in (password, secret[-12:-4]):
        assert not word or word not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert site.one.uploads() == 0


def test_a_credential_helper_and_what_it_needs_of_the_environment(site: Site) -> None:
    helper = site.folder / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(HELPER)
    helper.chmod(0o755)
    config = site.folder / "helped"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"credHelpers": {site.one.address: "test"}}))
    site.repository.env.update(
        DOCKER_CONFIG=str(config),
        HELPER_TOKEN=PASSWORD,
        PATH=f"{helper.parent}:/usr/local/bin:/usr/bin:/bin",
    )
    # The log of this run names the process and its environment. Without a daemon.
    given = ("--no-pantsd", "--minimg-publish-env-vars=['HELPER_TOKEN']")
    run = site.publish("//:other", *given, level="trace")
    assert run.exit_code == 0
    assert "HELPER_TOKEN" in run.stderr
    assert PASSWORD not in run.stdout + run.stderr
    assert site.manifest(f"{site.one.address}/other:latest")


def test_a_registry_that_dies_on_the_way(site: Site) -> None:
    retries = "--minimg-publish-retries=0"
    with registry.cut_off(site.one.port, after=100_000) as port:
        dying = f"127.0.0.1:{port}"
        config = registry.credentials(site.folder / "dying", dying)
        site.repository.env["DOCKER_CONFIG"] = str(config)
        run = site.publish("//:other", retries, one=dying)
    assert run.exit_code != 0
    (error,) = [line for line in lines(run) if "MINIMG-E" in line]
    assert error == (
        f"MINIMG-E034 //:other: {dying}/other:latest was not pushed. Why, skopeo says above."
    )
    assert "Traceback" not in run.stderr
    assert site.one.uploads() > 0
    # What was sent does not stand in the way.
    site.repository.env["DOCKER_CONFIG"] = site.logged_in["DOCKER_CONFIG"]
    site.publish("//:other", retries).succeeded()
    assert site.manifest(f"{site.one.address}/other:latest")


def test_what_is_skipped_says_why(site: Site) -> None:
    run = site.publish("//:skipped").succeeded()
    assert f"{site.one.address}/skipped:latest published to " in run.stderr
    skipped = "no.example.org/skipped:latest skipped (by `skip_push` on registry @no)."
    assert skipped in run.stderr
    run = site.repository.pants(
        f"--docker-registries={ {'one': {'address': 'x.example.org', 'skip_push': True}} }",
        "publish",
        "//:other",
        "//:nowhere",
    ).succeeded()
    assert "x.example.org/other:latest skipped (by `skip_push` on registry @one)." in run.stderr
    assert "nowhere:latest skipped (no registry: `registries` of //:nowhere names none)." in (
        run.stderr
    )


def test_a_variable_that_is_not_set_is_one_error(site: Site) -> None:
    del site.logged_in["REVISION"], site.repository.env["REVISION"]
    run = site.publish("//:image")
    assert run.exit_code != 0
    (error,) = [line for line in lines(run) if "MINIMG-E" in line]
    assert "MINIMG-E032 //:image: `image_tags`: the environment variable REVISION" in error
    assert "Traceback" not in run.stderr
