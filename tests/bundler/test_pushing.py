"""How skopeo is called, with one that only says how; the real one is in tests/integration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import __main__ as bundler
from pants_plugin_minimg.bundler.registry import referrers
from pants_plugin_minimg.bundler.rendering import oci

IMAGE = {
    "mediaType": oci.MANIFEST,
    "digest": "sha256:" + "a" * 64,
    "size": 7,
    "annotations": {"org.opencontainers.image.ref.name": "latest"},
}
LOCATION = "example.org:5000/team/x"

#: `copy` writes the digest that the file `digest-of.N` gives for the Nth call, and fails with the
#: text in `fail.N`; `inspect` prints the file `list`, or says that there is none.
SKOPEO = """#!/bin/sh
cd "$(dirname "$0")"
if [ "$1" = --version ]; then echo "skopeo version $(cat version)"; exit 0; fi
count=$(($(cat count) + 1)); echo $count > count
for word in "$@"; do
    case $word in
        --digestfile=*) digestfile=${word#--digestfile=} ;;
        oci:/*) cp -r "${word#oci:}" "list.$count"; printf '<oci:LIST>' ;;
        *) printf '<%s>' "$word" ;;
    esac
done >> log
echo >> log
if [ -f "fail.$count" ]; then cat "fail.$count" >&2; exit 1; fi
case $* in
    *inspect*)
        [ -f list ] || { echo "reading manifest x: manifest unknown" >&2; exit 1; }
        cat list
        ;;
    *) cat "digest-of.$count" 2>/dev/null > "$digestfile" || printf %s "$DIGEST" > "$digestfile" ;;
esac
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.skopeo = self.bin / "skopeo"
        self.skopeo.write_text(SKOPEO.replace("$DIGEST", str(IMAGE["digest"])))
        self.skopeo.chmod(0o755)
        (self.bin / "count").write_text("0")
        (self.bin / "version").write_text("1.9.3")
        (folder / "layout").mkdir()
        (folder / "layout/index.json").write_text(json.dumps({"manifests": [IMAGE, IMAGE]}))
        (folder / "sbom").write_bytes(b"{}")
        referrer = ["referrer", f"--index={folder}/layout/index.json", f"--sbom={folder}/sbom"]
        assert bundler.main([*referrer, f"--out={folder}/referrer"]) == 0
        index = json.loads((folder / "referrer/index.json").read_text())
        (self.referrer,) = index["manifests"]

    def push(self, *more: str) -> int:
        return bundler.main(
            [
                "push",
                f"--skopeo={self.skopeo}",
                "--retries=2",
                "--address=//a:image",
                "--layout=layout",
                f"--location={LOCATION}",
                "--tag=1",
                *more,
            ]
        )

    def calls(self) -> list[str]:
        log = self.bin / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


COPY = "<--insecure-policy><copy><--preserve-digests><--retry-times=2>"
PUSH = f"{COPY}<--all><oci:layout:latest><docker://{LOCATION}:1>"
LIST = f"{LOCATION}:sha256-{'a' * 64}"
INSPECT = f"<inspect><--raw><--retry-times=2><docker://{LIST}>"


def test_an_image_alone(machine: Machine) -> None:
    assert machine.push() == 0
    assert machine.calls() == [PUSH]


def test_the_artifact_comes_by_digest_and_then_into_the_list(machine: Machine) -> None:
    assert machine.push("--referrer=referrer") == 0
    assert machine.calls() == [
        PUSH,
        INSPECT,
        f"{COPY}<oci:referrer><docker://{LOCATION}@{machine.referrer['digest']}>",
        f"{COPY}<--multi-arch=index-only><oci:LIST><docker://{LIST}>",
    ]
    index = json.loads((machine.bin / "list.4/index.json").read_text())
    (listing,) = index["manifests"]
    pushed = (machine.bin / "list.4" / oci.blob_path(listing["digest"])).read_bytes()
    assert oci.digest_of(pushed) == listing["digest"]
    assert json.loads(pushed)["manifests"] == [machine.referrer]


def test_what_is_attached_already_is_not_pushed_again(machine: Machine) -> None:
    listed = referrers.listed_with(None, machine.referrer)
    assert listed is not None
    (machine.bin / "list").write_bytes(listed.content)
    assert machine.push("--referrer=referrer") == 0
    assert machine.calls() == [PUSH, INSPECT]


def error(machine: Machine, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    assert machine.push(*more) == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "words,remedy",
    [
        ("unauthorized: authentication required", "Log in: `skopeo login example.org:5000`."),
        ("requested access to the resource is denied", "Log in: `skopeo login example.org:5000`."),
        ("dial tcp: connection refused", "Why, skopeo says above."),
    ],
)
def test_an_image_that_is_not_pushed(
    machine: Machine, capsys: pytest.CaptureFixture[str], words: str, remedy: str
) -> None:
    (machine.bin / "fail.1").write_text(f"time=… level=fatal msg={words!r}\n")
    said, line = error(machine, capsys, "--referrer=referrer")
    assert words in said
    assert line.startswith(f"MINIMG-E034 //a:image: {LOCATION}:1 was not pushed. {remedy}")
    assert machine.calls() == [PUSH]


def test_another_digest_than_was_built(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.bin / "digest-of.1").write_text("sha256:" + "c" * 64 + "\n")
    (line,) = error(machine, capsys)
    assert line.startswith("MINIMG-E034 //a:image: ") and "c" * 64 in line and "a" * 64 in line


REWRITES = 'level=fatal msg="Manifest list must be converted to type X, but we cannot modify it"\n'


def test_a_skopeo_that_knows_no_artifact_types(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.bin / "fail.4").write_text(REWRITES)
    assert machine.push("--referrer=referrer") == 0
    assert (
        machine.calls()[3:] == [f"{COPY}<--multi-arch=index-only><oci:LIST><docker://{LIST}>"] * 2
    )
    index = json.loads((machine.bin / "list.5/index.json").read_text())
    pushed = (machine.bin / "list.5" / oci.blob_path(index["manifests"][0]["digest"])).read_bytes()
    (listed,) = json.loads(pushed)["manifests"]
    assert {**listed, "artifactType": referrers.CYCLONEDX} == machine.referrer
    assert "artifactType" not in listed
    assert capsys.readouterr().err == ""


def test_it_never_loses_what_others_attached(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {**IMAGE, "digest": "sha256:" + "e" * 64, "artifactType": "application/x-signature"}
    (machine.bin / "list").write_text(json.dumps({"schemaVersion": 2, "manifests": [other]}))
    for call in (4, 5):
        (machine.bin / f"fail.{call}").write_text(REWRITES)
    said, line = error(machine, capsys, "--referrer=referrer")
    assert said == REWRITES.strip()
    assert line.startswith("MINIMG-E035 //a:image: ") and "newer skopeo" in line
    assert len(machine.calls()) == 5
    for call in (4, 5):
        index = json.loads((machine.bin / f"list.{call}/index.json").read_text())
        path = machine.bin / f"list.{call}" / oci.blob_path(index["manifests"][0]["digest"])
        assert json.loads(path.read_bytes())["manifests"][0] == other


@pytest.mark.parametrize("call", [2, 3, 4])
def test_an_sbom_that_is_not_attached(
    machine: Machine, capsys: pytest.CaptureFixture[str], call: int
) -> None:
    """A list that cannot be read is not taken for one that is not there, and replaced."""
    (machine.bin / f"fail.{call}").write_text("manifest invalid: nothing like it\n")
    said, line = error(machine, capsys, "--referrer=referrer")
    assert said == "manifest invalid: nothing like it"
    assert line.startswith("MINIMG-E035 //a:image: ") and "`attach_sbom=False`" in line
    assert len(machine.calls()) == call


def test_something_else_under_the_tag_of_the_list(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.bin / "list").write_text('{"layers": []}')
    (line,) = error(machine, capsys, "--referrer=referrer")
    assert line.startswith(f"MINIMG-E035 //a:image: {LIST} does not list what is attached")
    assert machine.calls() == [PUSH, INSPECT]


@pytest.mark.parametrize("version", ["1.4.1", "0.9", "unknown"])
def test_a_skopeo_that_is_too_old(
    machine: Machine, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    (machine.bin / "version").write_text(version)
    (line,) = error(machine, capsys)
    assert line.startswith(f"MINIMG-E031 {machine.skopeo}: ") and version in line
    assert machine.calls() == []


@pytest.mark.parametrize("version", ["1.9.0", "1.10.0-dev", "1.13.3 commit: x", "2.0.0"])
def test_one_that_is_not(machine: Machine, version: str) -> None:
    (machine.bin / "version").write_text(version)
    assert machine.push() == 0


def test_a_folder_that_is_not_there_is_not_in_the_environment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(machine.folder / "no"))
    lines = machine.skopeo.read_text().splitlines()
    lines.insert(2, 'echo "${XDG_RUNTIME_DIR-none}" > xdg')
    machine.skopeo.write_text("\n".join(lines))
    assert machine.push() == 0
    assert (machine.bin / "xdg").read_text() == "none\n"
