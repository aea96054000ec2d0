"""An index over images of two platforms, and the tools that read it."""

from __future__ import annotations

import json
import platform
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.rendering import archive
from tests.bundler.indices import AMD, ARM, ARMHF, index, made
from tests.requirements import docker, unavailable, working


@pytest.fixture
def names() -> list[dict[str, str]]:
    repository = f"minimg-test/{uuid.uuid4().hex}"
    return [
        {"repository": repository, "template": tag, "tag": tag, "name": f"{repository}:{tag}"}
        for tag in ("1", "latest")
    ]


def test_manifests_stay_as_they_are_and_the_order_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[dict[str, str]]
) -> None:
    parts = [made(tmp_path / "a", each, monkeypatch) for each in (AMD, ARMHF, ARM)]
    tar, info = index(tmp_path / "a", parts, names)
    (tmp_path / "b").mkdir()
    other, same = index(tmp_path / "b", parts[::-1], names)
    assert tar.read_bytes() == other.read_bytes() and info == same
    own = [json.loads((part / "info.json").read_bytes())["manifests"][0] for part in parts]
    assert info["manifests"] == [own[0], own[1], own[2]]
    blob = tmp_path / "a/out/layout/blobs/sha256" / info["index"]["digest"][7:]
    document = json.loads(blob.read_bytes())
    assert [item["platform"] for item in document["manifests"]] == [AMD, ARMHF, ARM]
    assert [item["digest"] for item in document["manifests"]] == [item["digest"] for item in own]
    docker = json.loads((tmp_path / "a/out/layout/manifest.json").read_bytes())
    assert [item["RepoTags"][0].rpartition(":")[2] for item in docker] == [
        "1-amd64", "1-arm-v7", "1-arm64",
    ]  # fmt: skip


def test_two_images_for_one_platform_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[dict[str, str]]
) -> None:
    first, second = (made(tmp_path / name, AMD, monkeypatch) for name in "ab")
    with pytest.raises(Problems) as caught:
        index(tmp_path, [first, made(tmp_path, ARM, monkeypatch), second], names)
    (error,) = caught.value.errors
    assert (error.code, error.subject) == ("MINIMG-E040", "//t:index")
    assert error.problem == "//t:0 and //t:2 are both for linux/amd64"


def test_what_is_no_image_of_ours_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[dict[str, str]]
) -> None:
    part = made(tmp_path, AMD, monkeypatch)
    (part / "layout" / "manifest.json").write_bytes(jsonfile.canonical([]))
    with pytest.raises(MinimgError) as caught:
        index(tmp_path, [part], names)
    assert caught.value.code == "MINIMG-E001"


def test_annotations_are_the_index_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[dict[str, str]]
) -> None:
    parts = [made(tmp_path, each, monkeypatch) for each in (AMD, ARM)]
    _, info = index(tmp_path, parts, names, annotations={"org.example.a": "b"})
    blob = tmp_path / "out/layout/blobs/sha256" / info["index"]["digest"][7:]
    assert json.loads(blob.read_bytes())["annotations"] == {"org.example.a": "b"}


def test_verify_reads_an_index(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[dict[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = [made(tmp_path, each, monkeypatch) for each in (AMD, ARM)]
    tar, _ = index(tmp_path, parts, names)
    info = tmp_path / "out" / "info.json"
    assert commands.main(["verify", str(tar), f"--info={info}"]) == 0
    said = capsys.readouterr().out
    assert "linux/amd64 with" in said and "linux/arm64 with" in said and ": fine" in said
    layout = tmp_path / "out" / "layout"
    docker = json.loads((layout / "manifest.json").read_bytes())
    (layout / "manifest.json").write_bytes(jsonfile.canonical(docker[::-1]))
    archive.write(str(layout), str(tmp_path / "other.tar"), str(tmp_path / "merged"))
    assert commands.main(["verify", str(tmp_path / "other.tar")]) == 1
    assert "manifest.json: it names other blobs" in capsys.readouterr().out
    (layout / "manifest.json").write_bytes(jsonfile.canonical(docker))
    plan = tmp_path / "plan.json"
    plan.write_text('{"version": 1}')
    assert commands.main(["verify", str(tar), f"--plan={plan}"]) == 1
    assert "this is an index of several" in capsys.readouterr().out


# -- Read by others ------------------------------------------------------------------------------


def said(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode()


@pytest.fixture
def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[dict[str, str]]
) -> tuple[Path, dict[str, Any]]:
    return index(tmp_path, [made(tmp_path, each, monkeypatch) for each in (AMD, ARM)], names)


def test_skopeo_takes_the_platform_that_is_asked_for(both: tuple[Path, dict[str, Any]]) -> None:
    skopeo = working(["skopeo", "--version"])
    tar, info = both
    for number, architecture in enumerate(("amd64", "arm64")):
        found = json.loads(
            said(skopeo, f"--override-arch={architecture}", "inspect", f"oci-archive:{tar}:1")
        )
        assert found["Architecture"] == architecture
        assert found["Layers"] == [layer["digest"] for layer in info["manifests"][number]["layers"]]


def test_skopeo_copies_the_whole_without_changing_a_byte(
    both: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    skopeo = working(["skopeo", "--version"])
    tar, info = both
    digest = tmp_path / "digest"
    said(
        skopeo, "--insecure-policy", "copy", "--all", "--preserve-digests",
        f"--digestfile={digest}", f"oci-archive:{tar}:latest", f"oci:{tmp_path / 'copy'}:latest",
    )  # fmt: skip
    assert digest.read_text() == info["index"]["digest"]


def test_docker_loads_each_image_by_its_platform(
    both: tuple[Path, dict[str, Any]], names: list[dict[str, str]]
) -> None:
    client = docker()
    tar, info = both
    wanted = [f"{name['name']}-{which}" for which in ("amd64", "arm64") for name in names]
    said(client, "load", "-i", tar)
    try:
        for number, which in enumerate(("amd64", "arm64")):
            (found,) = json.loads(said(client, "image", "inspect", f"{names[0]['name']}-{which}"))
            assert found["Id"] == info["manifests"][number]["image_id"]
            assert found["Architecture"] == which
    finally:
        said(client, "image", "rm", *wanted)


def test_podman_loads_the_image_of_this_machine(
    both: tuple[Path, dict[str, Any]], names: list[dict[str, str]]
) -> None:
    podman = working(["podman", "info"])
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    if machine is None:
        unavailable("the index has no image for this machine")
    tar, _ = both
    loaded = said(podman, "load", "--quiet", "-i", tar)
    try:
        assert "minimg-test/" in loaded
        listed = json.loads(said(podman, "image", "inspect", loaded.split()[-1]))
        assert listed[0]["Architecture"] in ("amd64", "arm64")
    finally:
        said(podman, "image", "rm", "--force", *loaded.split()[2::3])
