"""The artifact that attaches an SBOM to an image, and the list of what is attached."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as bundler
from pants_plugin_minimg.bundler.registry import referrers
from pants_plugin_minimg.bundler.rendering import oci

SUBJECT = {
    "mediaType": oci.MANIFEST,
    "digest": "sha256:" + "a" * 64,
    "size": 7,
    "platform": {"os": "linux"},
    "annotations": {"org.opencontainers.image.ref.name": "1"},
}
OTHER = {"mediaType": oci.MANIFEST, "digest": "sha256:" + "b" * 64, "size": 1, "x": {"y": [1]}}


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def built() -> referrers.Referrer:
    return referrers.build(SUBJECT, b"{}\n", "application/x", "x.json")


def test_the_manifest_is_as_the_specification_has_it() -> None:
    manifest = json.loads(built().manifest.content)
    # image-spec 1.1, manifest.md: the empty descriptor, and what a descriptor must have.
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
    }
    assert manifest["subject"] == {key: SUBJECT[key] for key in ("mediaType", "digest", "size")}
    assert manifest["artifactType"] == "application/x"
    (layer,) = manifest["layers"]
    assert (layer["digest"], layer["size"]) == (sha(b"{}\n"), 3)
    assert layer["mediaType"] == "application/x"


def test_the_command_writes_a_whole_layout_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [SUBJECT, OTHER]}))
    (tmp_path / "sbom").write_bytes(b'{"bomFormat": "CycloneDX"}')
    trees = []
    for out in ("one", "two"):
        arguments = [f"--index={tmp_path}/index.json", f"--sbom={tmp_path}/sbom"]
        assert bundler.main(["referrer", *arguments, f"--out={tmp_path}/{out}"]) == 0
        files = [path for path in (tmp_path / out).rglob("*") if path.is_file()]
        trees.append({str(path.relative_to(tmp_path / out)): path.read_bytes() for path in files})
    assert trees[0] == trees[1]
    (descriptor,) = json.loads(trees[0]["index.json"])["manifests"]
    assert descriptor["artifactType"] == "application/vnd.cyclonedx+json"
    manifest = json.loads(trees[0][oci.blob_path(descriptor["digest"])])
    for named in (descriptor, manifest["config"], *manifest["layers"]):
        content = trees[0][oci.blob_path(named["digest"])]
        assert (sha(content), len(content)) == (named["digest"], named["size"])
    assert len(trees[0]) == 5 and json.loads(trees[0]["oci-layout"])


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"manifests": []}', '{"manifests": [{}]}'])
def test_a_bad_index_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], index: str
) -> None:
    (tmp_path / "index.json").write_text(index)
    (tmp_path / "sbom").write_bytes(b"{}")
    arguments = [f"--index={tmp_path}/index.json", f"--sbom={tmp_path}/sbom", f"--out={tmp_path}/o"]
    assert bundler.main(["referrer", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"MINIMG-E001 {tmp_path}/index.json: ")


def test_the_tag_of_the_list() -> None:
    assert referrers.tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64
    # distribution-spec, "Referrers Tag Schema": cut to what a tag may be.
    assert referrers.tag("sha512:" + "a" * 128) == "sha512-" + "a" * 64


def test_a_list_that_is_not_there_begins_with_this() -> None:
    descriptor = built().descriptor()
    listed = referrers.listed_with(None, descriptor)
    assert listed is not None and listed.media_type == oci.INDEX
    assert json.loads(listed.content) == {
        "schemaVersion": 2,
        "mediaType": oci.INDEX,
        "manifests": [descriptor],
    }


def test_what_is_listed_stays() -> None:
    current = {"schemaVersion": 2, "manifests": [OTHER], "annotations": {"a": "b"}}
    descriptor = built().descriptor()
    listed = referrers.listed_with(json.dumps(current).encode(), descriptor)
    assert listed is not None
    assert json.loads(listed.content) == {**current, "manifests": [OTHER, descriptor]}
    assert referrers.listed_with(listed.content, descriptor) is None


@pytest.mark.parametrize(
    "current",
    [b"", b"[]", b"{}", b'{"manifests": [1]}', b'{"layers": []}', b'{"manifests": {}}'],
)
def test_what_is_no_list_is_not_replaced(current: bytes) -> None:
    with pytest.raises(ValueError):
        referrers.listed_with(current, built().descriptor())


def test_a_list_of_dockers_is_not_replaced() -> None:
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    current: dict[str, Any] = {"mediaType": kind, "manifests": []}
    with pytest.raises(ValueError, match="docker"):
        referrers.listed_with(json.dumps(current).encode(), built().descriptor())
