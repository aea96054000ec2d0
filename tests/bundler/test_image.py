"""Config, manifest, index and docker's manifest.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.rendering import image as image_module
from pants_plugin_minimg.bundler.rendering import imagespec
from tests.bundler.images import NAMES, file, image, layer, put, read_image, run, with_parents

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _image(
    tmp: Path, config: dict[str, Any] | None = None, names: list[dict[str, str]] | None = None
) -> tuple[Path, dict[str, Any]]:
    sha = put(tmp / "blobs", b"program")
    return image(tmp, with_parents([file(b"/hello", sha, 0o755)]), config, names)


def test_every_digest_and_size_is_right(tmp_path: Path) -> None:
    tar, info = _image(tmp_path)
    read = read_image(tar)
    assert "annotations" not in read.manifest
    assert read.manifest_digest == info["manifests"][0]["digest"]
    assert read.manifest["config"]["digest"] == info["image_id"]
    assert [member.name for member in read.layers[0]] == ["hello"]


def test_the_config_says_what_the_fields_say(tmp_path: Path) -> None:
    tar, _ = _image(
        tmp_path,
        {
            "entrypoint": ["/hello", "--loud"],
            "cmd": ["world"],
            "env": {"Z": "1", "A": "two words", "EMPTY": ""},
            "workdir": "/srv",
            "user": "65532:65532",
            "ports": ["8080", "53/udp"],
            "volumes": ["/data"],
            "stop_signal": "SIGINT",
            "labels": {"org.opencontainers.image.title": "größe"},
        },
    )
    config = read_image(tar).config
    diff_ids = config["rootfs"].pop("diff_ids")
    assert len(diff_ids) == 1
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["/hello", "--loud"],
            "Cmd": ["world"],
            "Env": [PATH, "Z=1", "A=two words", "EMPTY="],
            "WorkingDir": "/srv",
            "User": "65532:65532",
            "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
            "Volumes": {"/data": {}},
            "StopSignal": "SIGINT",
            "Labels": {"org.opencontainers.image.title": "größe"},
        },
        "rootfs": {"type": "layers"},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pants-plugin-minimg"}],
    }


def test_a_health_check_is_dockers_own_field(tmp_path: Path) -> None:
    check = {
        "command": ["/hello", "--healthy"],
        **{"interval": "1m30s", "timeout": "1.5s", "start_period": "500ms", "retries": 3},
    }
    tar, info = _image(tmp_path, {"healthcheck": check})
    assert read_image(tar).config["config"]["Healthcheck"] == {
        "Test": ["CMD", "/hello", "--healthy"],
        "Interval": 90 * 10**9,
        "Timeout": 1_500_000_000,
        "StartPeriod": 500_000_000,
        "Retries": 3,
    }
    assert "podman, containerd and Kubernetes do not read it" in info["log_lines"][-1]


def test_what_a_health_check_leaves_out_is_dockers_matter(tmp_path: Path) -> None:
    tar, _ = _image(tmp_path, {"healthcheck": {"command": ["/hello"]}})
    assert read_image(tar).config["config"]["Healthcheck"] == {"Test": ["CMD", "/hello"]}


def test_annotations_are_the_manifests(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"program")
    annotations = {"org.opencontainers.image.licenses": "MIT", "a": "größe"}
    entries = with_parents([file(b"/hello", sha, 0o755)])
    tar, _ = image(tmp_path, entries, annotations=annotations)
    assert read_image(tar).manifest["annotations"] == annotations


def test_an_empty_config_takes_the_entrypoint_of_the_plan(tmp_path: Path) -> None:
    tar, _ = _image(tmp_path)
    assert read_image(tar).config["config"] == {"Entrypoint": ["/hello"], "Env": [PATH]}


def test_a_path_of_the_user_is_kept_in_its_place(tmp_path: Path) -> None:
    tar, _ = _image(tmp_path, {"env": {"B": "1", "PATH": "/bin"}})
    assert read_image(tar).config["config"]["Env"] == ["B=1", "PATH=/bin"]


def test_every_name_has_a_descriptor_of_its_own(tmp_path: Path) -> None:
    names = [
        {"repository": repository, "template": "{tag}", "tag": tag, "name": f"{repository}:{tag}"}
        for repository, tag in (("hello", "1"), ("hello", "latest"), ("reg.example:5000/h", "1"))
    ]
    tar, _ = _image(tmp_path, names=[*names, names[0]])
    read = read_image(tar)
    assert read.docker[0]["RepoTags"] == ["hello:1", "hello:latest", "reg.example:5000/h:1"]
    assert [descriptor["annotations"] for descriptor in read.index["manifests"]] == [
        {
            "io.containerd.image.name": full,
            "org.opencontainers.image.ref.name": tag,
        }
        for full, tag in (
            ("docker.io/library/hello:1", "1"),
            ("docker.io/library/hello:latest", "latest"),
            ("reg.example:5000/h:1", "1"),
        )
    ]
    assert read.index["manifests"][0]["platform"] == {"os": "linux", "architecture": "amd64"}


def test_an_image_without_a_name(tmp_path: Path) -> None:
    tar, _ = _image(tmp_path, names=[])
    read = read_image(tar)
    assert read.docker[0]["RepoTags"] == []
    assert "annotations" not in read.index["manifests"][0]


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("hello:1", "docker.io/library/hello:1"),
        ("tools/hello:1", "docker.io/tools/hello:1"),
        ("docker.io/hello:1", "docker.io/library/hello:1"),
        ("docker.io/tools/hello:1", "docker.io/tools/hello:1"),
        ("localhost/hello:1", "localhost/hello:1"),
        ("r.example.net/a/hello:1", "r.example.net/a/hello:1"),
        ("reg:5000/hello:1", "reg:5000/hello:1"),
        ("Reg/hello:1", "Reg/hello:1"),
    ],
)
def test_a_name_with_its_registry(name: str, full: str) -> None:
    assert image_module.full_reference(name) == full


def test_layers_keep_their_order_and_a_time_can_be_given(tmp_path: Path) -> None:
    layers = []
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        sha = put(folder / "blobs", b"%d" % number)
        layers.append(layer(folder, [file(b"/file%d" % number, sha)]))
    paths = [tmp_path / str(number) / "layer" / "layer.json" for number in (1, 2, 3)]
    (tmp_path / "image.json").write_text(
        json.dumps({"version": 1, "artifact": "x.tar", "names": NAMES, "config": {}})
    )
    plan = {"version": 1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "entries": [], "entrypoint": []}))
    out = tmp_path / "out"
    inputs: list[str | Path] = [
        "--request",
        tmp_path / "image.json",
        "--plan",
        tmp_path / "plan.json",
    ]
    run("image", *inputs, "--layer", *paths, "--created", "1700000000", "--out", out)
    info = json.loads((out / "info.json").read_bytes())
    blobs = out / "layout" / "blobs" / "sha256"
    manifest = json.loads((blobs / info["manifests"][0]["digest"][7:]).read_bytes())
    config = json.loads((blobs / info["image_id"][7:]).read_bytes())
    assert [one["digest"] for one in manifest["layers"]] == [one["digest"] for one in layers]
    assert config["rootfs"]["diff_ids"] == [one["diff_id"] for one in layers]
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert len(config["history"]) == 3
    assert (config["architecture"], config["variant"]) == ("arm64", "v8")
    assert "Entrypoint" not in config["config"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"ports": ["http"]}, "'http'"),
        ({"ports": ["0"]}, "'0'"),
        ({"ports": ["65536/tcp"]}, "'65536/tcp'"),
        ({"ports": ["80/icmp"]}, "'80/icmp'"),
        ({"volumes": ["data"]}, "'data'"),
        ({"workdir": "work"}, "'work'"),
        ({"env": {"A=B": "c"}}, "'A=B'"),
        ({"env": {"": "c"}}, "''"),
    ],
)
def test_a_config_that_makes_no_sense(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(Problems) as error:
        _image(tmp_path, config)
    assert [problem.code for problem in error.value.errors] == ["MINIMG-E018"]
    assert said in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"names": [{"tag": "x"}]},
        {"names": None},
        {"config": []},
        {"config": {"cmd": "text"}},
        {"config": {"cmd": [1]}},
        {"config": {"env": {"A": 1}}},
        {"version": 2},
        {"artifact": 1},
    ],
)
def test_a_file_that_is_no_request(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "image.json"
    raw = {"version": 1, "artifact": "a.tar", "names": NAMES, "config": {}, **change}
    path.write_text(json.dumps(raw))
    with pytest.raises(MinimgError) as error:
        imagespec.load(str(path))
    assert error.value.code == "MINIMG-E001"


def test_the_documents_are_canonical(tmp_path: Path) -> None:
    _image(tmp_path)
    layout = tmp_path / "image" / "layout"
    for path in (layout / "index.json", layout / "manifest.json", layout / "oci-layout"):
        content = path.read_text()
        again = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"))
        assert content == again + "\n"
