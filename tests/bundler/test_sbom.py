"""The bill of materials: of plans that the tests write, checked against CycloneDX's own schema."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.inventory import sbom, stocktaking
from pants_plugin_minimg.bundler.inventory.components import Components, DebianPackage, File, Module
from pants_plugin_minimg.bundler.inventory.osrelease import OsRelease
from pants_plugin_minimg.bundler.plan import Entry

from . import cyclonedx_schema
from .elf_builder import Spec, build
from .goprograms import data, inline
from .images import put
from .sectioned import with_section

_OS = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
_COPYRIGHT = (
    b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
    b"Files: *\nCopyright: 2020 A Person\nLicense: GPL-2\n"
)
_METADATA = b"Metadata-Version: 2.1\nName: Example_Tool\nVersion: 1.0\nLicense: MIT\n\n"


def _crates() -> bytes:
    packages = [
        {"name": "memchr", "version": "2.6.4", "source": "crates.io"},
        {"name": "cc", "version": "1.0", "source": "crates.io", "kind": "build"},
        {"name": "own", "version": "0.1.0", "source": "local", "root": True},
    ]
    return zlib.compress(json.dumps({"packages": packages}).encode())


def _stanza(name: str, version: str, **more: str) -> dict[str, Any]:
    values = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Maintainer": "A Person <person@mirror.test>",
        "Description": f"the package {name}\n in more words",
        **more,
    }
    return {
        "name": name,
        "version": version,
        "architecture": "amd64",
        "source_name": name,
        "source_version": version,
        "distro": "",
        "control": "".join(f"{key}: {value}\n" for key, value in values.items()),
        "files": [],
    }


class Image:
    """A plan in a folder, with the bytes of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[Entry] = []
        self.packages: list[dict[str, Any]] = []

    def file(self, path: bytes, content: bytes) -> str:
        sha = put(self.folder / "blobs", content)
        self.entries.append(Entry(path, "file", 0o644, size=len(content), content=sha))
        return sha

    def link(self, path: bytes, target: bytes, kind: str = "link") -> None:
        self.entries.append(Entry(path, kind, 0o777, target=target))

    def plan(self) -> dict[str, Any]:
        return {
            "version": 1,
            "entries": [entry.to_json() for entry in self.entries],
            "packages": self.packages,
        }

    def parts(self) -> Components:
        return stocktaking.collect(self.plan(), str(self.folder / "blobs"))

    def write(self) -> Path:
        path = self.folder / "inventory.json"
        path.write_text(json.dumps(self.parts().to_json()))
        return path


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """One of everything."""
    out = Image(tmp_path)
    out.file(b"/usr/lib/os-release", _OS)
    out.link(b"/etc/os-release", b"../usr/lib/os-release")
    out.file(b"/usr/bin/git", b"git")
    out.link(b"/usr/bin/git-same", b"/usr/bin/git", "hardlink")
    out.file(b"/usr/lib/libz.so.1", b"libz")
    out.file(b"/usr/share/doc/base/copyright", _COPYRIGHT)
    out.link(b"/usr/share/doc/git", b"base")
    content = inline()
    out.file(b"/app/go", with_section(data(content), b".go.buildinfo", content))
    out.file(b"/app/rust", with_section(build(Spec()), b".dep-v0", _crates()))
    out.file(b"/app/x-1.0.dist-info/METADATA", _METADATA)
    out.file(b"/app/odd\xff", b"odd")
    git = _stanza(
        "git", "1:2.0-1+b4", Depends="zlib1g (>= 1), missing", Homepage="https://git.test/"
    )
    git.update(source_name="git-core", source_version="1:2.0-1", distro="debian-12")
    git["files"] = ["/usr/bin/git", "/usr/bin/git-same"]
    zlib1g = _stanza("zlib1g", "1.3", Depends="git")  # each needs the other
    zlib1g["files"] = ["/usr/lib/libz.so.1"]
    out.packages = [zlib1g, git]
    return out


def _document(parts: Components, name: str = "tool", packed: dict[str, str] | None = None) -> Any:
    document = json.loads(sbom.render(parts, name, packed or {}))
    assert cyclonedx_schema.problems(document) == []
    references = [component["bom-ref"] for component in _all(document)]
    assert len(set(references)) == len(references)
    for dependency in document["dependencies"]:
        assert {dependency["ref"], *dependency.get("dependsOn", ())} <= set(references)
    return document


def _all(document: Any) -> list[Any]:
    out = []
    pending = [document["metadata"]["component"], *document["components"]]
    while pending:
        component = pending.pop()
        out.append(component)
        pending += component.get("components", ())
    return out


def _by_name(document: Any) -> dict[str, Any]:
    return {component["name"]: component for component in _all(document)}


def _properties(component: Any) -> dict[str, str]:
    return {item["name"]: item["value"] for item in component.get("properties", ())}


def test_the_document_is_of_the_form_that_its_schema_wants(image: Image) -> None:
    document = _document(image.parts())
    assert document["specVersion"] == "1.6"
    assert document["metadata"]["component"]["type"] == "container"
    assert document["metadata"]["component"]["name"] == "tool"


def test_the_schema_would_tell_a_wrong_document(image: Image) -> None:
    document = json.loads(sbom.render(image.parts(), "tool", {}))
    document["components"][0]["type"] = "thing"
    assert cyclonedx_schema.problems(document)


def test_a_package_has_the_url_that_scanners_look_up(image: Image) -> None:
    found = _by_name(_document(image.parts()))
    assert found["git"]["purl"] == (
        "pkg:deb/debian/git@1:2.0-1%2Bb4?arch=amd64&distro=debian-12&upstream=git-core%401:2.0-1"
    )
    assert found["zlib1g"]["purl"] == "pkg:deb/debian/zlib1g@1.3?arch=amd64&distro=debian-12"
    assert found["git"]["description"] == "the package git"
    assert found["git"]["supplier"] == {"name": "A Person <person@mirror.test>"}
    assert found["git"]["externalReferences"] == [{"type": "website", "url": "https://git.test/"}]


def test_a_package_of_another_system_says_so(image: Image) -> None:
    image.packages[0]["distro"] = "ubuntu-24.04"
    found = _by_name(_document(image.parts()))
    assert found["zlib1g"]["purl"] == "pkg:deb/ubuntu/zlib1g@1.3?arch=amd64&distro=ubuntu-24.04"


def test_licence_and_source_of_a_package_are_told(image: Image) -> None:
    found = _by_name(_document(image.parts()))
    assert found["git"]["licenses"] == [{"license": {"name": "GPL-2"}}]
    assert _properties(found["git"]) == {
        "minimg:licence-file": "/usr/share/doc/base/copyright",
        "minimg:source": "git-core 1:2.0-1",
    }
    assert "licenses" not in found["zlib1g"]
    assert _properties(found["zlib1g"]) == {"minimg:source": "zlib1g 1.3"}


def test_files_are_below_their_package_with_their_plain_hash(image: Image) -> None:
    document = _document(image.parts())
    found = _by_name(document)
    shas = {entry.path: entry.content for entry in image.entries}
    inside = {item["name"]: item["hashes"] for item in found["git"]["components"]}
    one = [{"alg": "SHA-256", "content": shas[b"/usr/bin/git"]}]
    assert inside == {"/usr/bin/git": one, "/usr/bin/git-same": one}
    own = [item["name"] for item in document["metadata"]["component"]["components"]]
    assert sorted(own) == [
        "/app/go",
        "/app/odd\\xff",
        "/app/rust",
        "/app/x-1.0.dist-info/METADATA",
        "/usr/lib/os-release",
        "/usr/share/doc/base/copyright",
    ]


def test_the_packed_hash_stands_beside_the_plain_one(image: Image) -> None:
    sha = next(entry.content for entry in image.entries if entry.path == b"/app/go")
    assert sha is not None
    found = _by_name(_document(image.parts(), packed={sha: "f" * 64}))
    assert found["/app/go"]["hashes"] == [{"alg": "SHA-256", "content": sha}]
    assert _properties(found["/app/go"]) == {"minimg:packed:sha256": "f" * 64}
    assert _properties(found["/app/rust"]) == {}


def test_modules_are_those_that_the_files_tell_of(image: Image) -> None:
    document = _document(image.parts())
    urls = [item.get("purl", "") for item in document["components"]]
    assert sorted(url for url in urls if url and not url.startswith("pkg:deb")) == [
        "pkg:cargo/memchr@2.6.4",
        "pkg:golang/example.com/new@v2.0.0",
        "pkg:golang/example.com/plain@v1.2.3",
        "pkg:golang/example.com/tool",
        "pkg:golang/stdlib@1.21.5",
        "pkg:pypi/example-tool@1.0",
    ]
    found = _by_name(document)
    assert "purl" not in found["own"]  # a local crate is not what the registry calls so
    assert "cc" not in found  # ran in the build, and is not in the program
    assert _properties(found["memchr"]) == {"minimg:found-in": "/app/rust"}
    assert found["Example_Tool"]["licenses"] == [{"license": {"name": "MIT"}}]


def test_one_module_in_several_files_is_one_component(image: Image) -> None:
    image.file(b"/app/again", with_section(build(Spec(soname=b"x")), b".dep-v0", _crates()))
    image.link(b"/app/linked", b"/app/rust", "hardlink")
    found = [item for item in image.parts().modules if item.name == "memchr"]
    assert [item.found_in for item in found] == [("/app/again", "/app/linked", "/app/rust")]
    _document(image.parts())


def test_a_folder_in_the_place_of_a_module_is_not_named(image: Image) -> None:
    for folder, version in (("../dep", "(devel)"), ("/home/me/dep", "")):
        lines = f"path\ta\ndep\texample.com/dep\tv1.0.0\n=>\t{folder}\t{version}\t\n"
        image.file(f"/app/{len(folder)}".encode(), data(inline(lines=lines)))
    found = [item for item in image.parts().modules if item.name == "example.com/dep"]
    assert [(item.version, len(item.found_in)) for item in found] == [("", 2)]


def test_what_needs_what_is_told(image: Image) -> None:
    document = _document(image.parts())
    names = {component["bom-ref"]: component["name"] for component in _all(document)}
    needs = {
        names[item["ref"]]: [names[other] for other in item.get("dependsOn", ())]
        for item in document["dependencies"]
    }
    assert needs["git"] == ["zlib1g"]
    assert needs["zlib1g"] == ["git"]
    assert sorted(needs["/app/rust"]) == ["memchr", "own"]
    assert {"git", "zlib1g", "debian", "memchr", "stdlib"} <= set(needs["tool"])


def test_the_system_is_the_one_of_os_release(image: Image) -> None:
    found = _by_name(_document(image.parts()))["debian"]
    assert (found["type"], found["version"]) == ("operating-system", "12")


def test_a_static_binary_alone_has_a_document_too(tmp_path: Path) -> None:
    image = Image(tmp_path)
    image.file(b"/server", build(Spec(dynamic=False)))
    document = _document(image.parts())
    assert document["components"] == []
    assert [item["name"] for item in document["metadata"]["component"]["components"]] == ["/server"]


def test_an_image_without_any_file_has_a_document_too() -> None:
    _document(Components(None, [], [], []), "")


def test_the_bytes_depend_on_nothing_but_the_plan(image: Image, tmp_path: Path) -> None:
    inventory = image.write()
    made = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(inventory)],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            check=True,
            stdout=subprocess.PIPE,
        )
        made.add(done.stdout)
    image.entries.reverse()
    image.packages.reverse()
    made.add(sbom.render(image.parts(), "tool", {}))
    assert len(made) == 1
    assert b"timestamp" not in next(iter(made))


_RUN = """
import sys
from pants_plugin_minimg.bundler.inventory import sbom
sys.stdout.buffer.write(sbom.of_file(sys.argv[1], "tool", {}))
"""


def test_what_is_written_of_the_parts_is_read_again(image: Image) -> None:
    raw = json.loads(json.dumps(image.parts().to_json()))
    assert Components.from_json(raw) == image.parts()
    bare = Components(None, [], [], [])
    assert Components.from_json(json.loads(json.dumps(bare.to_json()))) == bare


def test_the_serial_number_changes_with_the_content(image: Image) -> None:
    one = _document(image.parts())["serialNumber"]
    assert _document(image.parts(), "other")["serialNumber"] != one
    image.packages[0]["version"] = "1.4"
    assert _document(image.parts())["serialNumber"] != one


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts: parts.pop("packages"),
        lambda parts: parts.update(version=9),
        lambda parts: parts.update(packages=[{"name": "git"}]),
        lambda parts: parts.update(packages=7),
        lambda parts: parts["packages"][0].update(other=""),
        lambda parts: parts["packages"][0].update(name=7),
        lambda parts: parts["files"].append({"path": "/x"}),
        lambda parts: parts["modules"].append({"kind": "cargo"}),
        lambda parts: parts.update(system={"ident": "x"}),
    ],
)
def test_an_inventory_of_another_form_is_one_error(image: Image, spoil: Any) -> None:
    path = image.write()
    raw = json.loads(path.read_text())
    spoil(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(MinimgError) as caught:
        sbom.of_file(str(path), "tool", {})
    assert caught.value.code == "MINIMG-E001"


def test_a_content_that_is_not_there_is_an_error(image: Image) -> None:
    sha = next(entry.content for entry in image.entries if entry.path == b"/app/go")
    (image.folder / "blobs" / str(sha)).unlink()
    with pytest.raises(MinimgError, match="E001"):
        image.parts()


def test_words_of_any_kind_make_a_document_of_the_form() -> None:
    chance = random.Random(20260730)
    letters = "ab/@:%?#& +~._-\\\"'\n\t\0é\u2028"

    def word() -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randint(0, 6)))

    for _ in range(60):
        modules = {
            (kind, word(), word()): Module(kind, "", "")
            for kind in ("golang", "cargo", "pypi", "golang")
        }
        packages = [
            DebianPackage(
                *(f"p{number}{word()}", word(), "amd64", word(), word()),
                *(word(), word(), word(), "http://" + word()),
                *(word(), (word() or "x",), (File(f"/{number}{word()}", "a" * 64),), ()),
            )
            for number in range(3)
        ]
        parts = Components(
            OsRelease("debian", word(), word()),
            packages,
            [Module(kind, name or "m", version) for kind, name, version in sorted(modules)],
            [File(f"/x{word()}", "b" * 64)],
        )
        _document(parts, word(), {"b" * 64: "c" * 64})
