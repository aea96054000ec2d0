"""Root file systems: bare tars, OCI layouts, what `docker save` writes, and how layers add up."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as command_line
from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars.rootfs import RootfsSysroot, convert, open_rootfs
from tests.requirements import program

from .debian.debs import File, compress, folder, hardlink, link, tar
from .elf_builder import MUSL, Spec, build

LIMIT = 1 << 24


def converted(source: Path, out: Path, architecture: str | None = None) -> RootfsSysroot:
    convert(str(source), architecture, LIMIT, str(out))
    return open_rootfs(str(out))


def refused(source: Path, architecture: str | None = None, limit: int = LIMIT) -> str:
    before = sorted(source.parent.iterdir())
    with pytest.raises(MinimgError) as raised:
        convert(str(source), architecture, limit, str(source.parent / "out"))
    assert raised.value.code == "MINIMG-E027"
    assert sorted(source.parent.iterdir()) == before
    return str(raised.value)


class Layout:
    """An OCI layout in memory, with `manifest.json` besides on demand."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            "index.json": b'{"schemaVersion": 2, "manifests": []}',
        }

    def blob(self, data: bytes, media_type: str = "", **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def json(self, document: Any, media_type: str, **more: Any) -> dict[str, Any]:
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def manifest(
        self, layers: Sequence[bytes], architecture: str = "amd64", packed: str = "gz", **more: Any
    ) -> dict[str, Any]:
        """A manifest's descriptor."""
        config = {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers],
            },
        }
        document = {
            "schemaVersion": 2,
            "config": self.json(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [
                self.blob(compress(layer, packed), "application/vnd.oci.image.layer.v1.tar+gzip")
                for layer in layers
            ],
        }
        return self.json(document, "application/vnd.oci.image.manifest.v1+json", **more)

    def index(self, *descriptors: dict[str, Any]) -> None:
        document = {"schemaVersion": 2, "manifests": list(descriptors)}
        self.files["index.json"] = json.dumps(document).encode()

    def docker(self, *images: tuple[str, Sequence[str]]) -> None:
        document = [{"Config": c, "RepoTags": [], "Layers": list(paths)} for c, paths in images]
        self.files["manifest.json"] = json.dumps(document).encode()

    def as_tar(self, path: Path, packed: str = "") -> Path:
        members = [File(name, data) for name, data in sorted(self.files.items())]
        path.write_bytes(compress(tar(members), packed))
        return path

    def as_folder(self, path: Path) -> Path:
        for name, data in self.files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path


def layered(tmp_path: Path, *layers: Sequence[File]) -> RootfsSysroot:
    layout = Layout()
    layout.index(layout.manifest([tar(layer) for layer in layers]))
    number = len(list(tmp_path.iterdir()))
    return converted(layout.as_tar(tmp_path / f"{number}.tar"), tmp_path / f"{number}.out")


def paths(root: RootfsSysroot) -> list[str]:
    """All but the root, sorted."""
    return sorted(path.decode() for path in root._nodes if path != b"/")


def content(root: RootfsSysroot, path: bytes) -> bytes:
    with root.open(root.walk(path).real) as file:
        return file.read()


@pytest.mark.parametrize("packed", ["", "gz", "xz", "zst"])
def test_a_bare_tar_is_read_in_every_packing(packed: str, tmp_path: Path) -> None:
    data = tar(
        [
            folder("./"),
            folder("./etc/", 0o750),
            File("./etc/f", b"content", mode=0o4755, uid=5, gid=6),
            hardlink("./etc/g", "./etc/f"),
            link("./etc/l", "../../etc/f"),
            File("./dev/null", kind="device"),
            File("./.wh.kept", b"no layer"),
        ]
    )
    (tmp_path / "r.tar").write_bytes(compress(data, packed))
    root = converted(tmp_path / "r.tar", tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["0.tar", "index.json"]
    assert (tmp_path / "out" / "0.tar").read_bytes() == data
    assert paths(root) == [
        "/.wh.kept", "/dev", "/dev/null", "/etc", "/etc/f", "/etc/g", "/etc/l",
    ]  # fmt: skip
    f = root.lstat(b"/etc/f")
    assert f is not None and f == root.lstat(b"/etc/g")
    assert (f.mode, f.uid, f.gid, f.size) == (0o4755, 5, 6, 7)
    assert content(root, b"/etc/l") == b"content"
    null, etc = root.lstat(b"/dev/null"), root.lstat(b"/etc")
    assert null is not None and null.kind == "other"
    assert etc is not None and etc.mode == 0o750
    assert root.platform is None


def test_the_last_of_several_members_counts(tmp_path: Path) -> None:
    files = [File("a", b"1"), hardlink("b", "a"), File("a", b"2"), File("d/x"), File("d", b"file")]
    (tmp_path / "r.tar").write_bytes(tar(files))
    root = converted(tmp_path / "r.tar", tmp_path / "out")
    assert (content(root, b"/a"), content(root, b"/b"), content(root, b"/d")) == (
        b"2",
        b"1",
        b"file",
    )
    assert root.lstat(b"/d/x") is None


def test_paths_are_followed_through_links_and_stay_inside(tmp_path: Path) -> None:
    files = [folder("usr/lib/"), link("lib", "../../usr/lib"), File("lib/x", b"x"), File("/abs")]
    (tmp_path / "r.tar").write_bytes(tar(files))
    root = converted(tmp_path / "r.tar", tmp_path / "out")
    assert paths(root) == ["/abs", "/lib", "/usr", "/usr/lib", "/usr/lib/x"]


def test_names_of_extended_attributes_are_told(tmp_path: Path) -> None:
    file = File("ping", pax={"SCHILY.xattr.security.capability": "x"})
    (tmp_path / "r.tar").write_bytes(tar([file, File("a")], tarfile.PAX_FORMAT))
    root = converted(tmp_path / "r.tar", tmp_path / "out")
    assert root.xattrs(b"/ping") == ("SCHILY.xattr.security.capability",)
    assert root.xattrs(b"/a") == ()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ([File("../x")], "leaves the root"),
        ([File("a/../../x")], "leaves the root"),
        ([hardlink("a", "nowhere")], "no file that is there"),
        ([hardlink("a", "../../etc/passwd")], "leaves the root"),
        ([folder("d/"), hardlink("a", "d")], "no file that is there"),
        ([File("a"), File("a/b")], "no directory"),
        ([link("a", "a"), File("a/b")], "does not end"),
        ([link("a", "b"), link("b", "a"), File("a/x")], "does not end"),
        ([link("a", "")], "link to nothing"),
        ([File(".")], "place of the root"),
    ],
)
def test_a_hostile_tar_is_refused(files: list[File], problem: str, tmp_path: Path) -> None:
    (tmp_path / "r.tar").write_bytes(tar(files))
    assert problem in refused(tmp_path / "r.tar")


@pytest.mark.parametrize("data", [b"", b"text\n" * 500, b"\x1f\x8b", b"PK\3\4" + b"\0" * 1000])
def test_what_is_no_tar_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.tar").write_bytes(data)
    refused(tmp_path / "r.tar")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    zeros = tar([File("zeros", b"\0" * (1 << 22))])
    (tmp_path / "r.tar").write_bytes(compress(zeros, "zst"))
    assert "more than 100000 bytes" in refused(tmp_path / "r.tar", limit=100_000)
    layout = Layout()
    layout.index(layout.manifest([zeros, zeros]))
    (tmp_path / "two").mkdir()
    source = layout.as_tar(tmp_path / "two" / "r.tar")
    assert "more than" in refused(source, limit=6 << 20)
    convert(str(source), None, 9 << 20, str(tmp_path / "two" / "out"))


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert "no OCI layout" in refused(tmp_path / "d")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E001 .*cannot be read"):
        convert(str(tmp_path / "nothing"), None, 1, str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


# Layers: OCI image specification, layer.md. Each case is (layers, what is left).
CASES: dict[str, tuple[list[list[File]], list[str]]] = {
    "a whiteout takes a file away": (
        [[File("d/a"), File("d/b")], [File("d/.wh.a")]],
        ["/d", "/d/b"],
    ),
    "a whiteout takes a whole directory away": (
        [[File("d/e/a"), File("f")], [File(".wh.d")]],
        ["/f"],
    ),
    "a whiteout is for lower layers only": (
        [[File("a"), File("d/x")], [File("a"), File(".wh.a"), File("d/y"), File(".wh.d")]],
        ["/a", "/d", "/d/y"],
    ),
    "an opaque directory hides what is below": (
        [[File("d/a"), File("d/e/b")], [File("d/c"), File("d/.wh..wh..opq")]],
        ["/d", "/d/c"],
    ),
    "an opaque root hides everything": (
        [[File("a"), File("d/b")], [File(".wh..wh..opq"), File("c")]],
        ["/c"],
    ),
    "what comes back later is there": (
        [[File("a")], [File(".wh.a")], [File("a")]],
        ["/a"],
    ),
    "a whiteout of what is not there does nothing": ([[File("a")], [File("x/.wh.b")]], ["/a"]),
    "a file replaces a directory": ([[File("d/a")], [File("d")]], ["/d"]),
    "a link replaces a directory": ([[File("d/a"), File("e")], [link("d", "e")]], ["/d", "/e"]),
    "a directory replaces a link": (
        [[File("e/x"), link("d", "e")], [folder("d/"), File("d/a")]],
        ["/d", "/d/a", "/e", "/e/x"],
    ),
    "a path goes through a lower link": (
        [[folder("e/"), link("d", "e")], [File("d/a")]],
        ["/d", "/e", "/e/a"],
    ),
    "a whiteout goes through a lower link": (
        [[File("e/a"), File("e/b"), link("d", "e")], [File("d/.wh.a")]],
        ["/d", "/e", "/e/b"],
    ),
    "a directory in place of a link has no lower files to hide": (
        [[File("e/a"), link("d", "e")], [folder("d/"), File("d/.wh.a")]],
        ["/d", "/e", "/e/a"],
    ),
    "records of aufs are passed over": (
        [[File("a")], [File(".wh..wh.aufs"), folder(".wh..wh.plnk/"), folder("d/")]],
        ["/a", "/d"],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers(case: str, tmp_path: Path) -> None:
    layers, left = CASES[case]
    assert paths(layered(tmp_path, *layers)) == left


def _umoci_s_paths(layers: Sequence[Sequence[File]], scratch: Path) -> list[str]:
    umoci = program("umoci")
    layout = Layout()
    name = {"org.opencontainers.image.ref.name": "x"}
    layout.index({**layout.manifest([tar(layer) for layer in layers]), "annotations": name})
    image = layout.as_folder(scratch / "layout")
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    command = [umoci, "unpack", *rootless, "--image", f"{image}:x", str(scratch / "bundle")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    root = str(scratch / "bundle" / "rootfs")
    return sorted(
        os.path.join(folder_, name)[len(root) :]
        for folder_, folders, files in os.walk(root)
        for name in folders + files
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_umoci_agrees(case: str, tmp_path: Path) -> None:
    layers, left = CASES[case]
    assert _umoci_s_paths(layers, tmp_path) == left


def _random_layer(rng: random.Random, below: str = "", depth: int = 0) -> list[File]:
    """A folder's members: at each name a file, a link, a folder, a whiteout or nothing."""
    out: list[File] = []
    if rng.random() < 0.15:
        out.append(File(below + ".wh..wh..opq"))
    for name in "abc":
        choice = rng.randrange(7)
        if choice == 0:
            out.append(File(below + name, name.encode()))
        elif choice == 1:
            out.append(link(below + name, rng.choice(["a", "/a", "../b", "/b/c", "none"])))
        elif choice == 2:
            out.append(File(below + ".wh." + name))
        elif choice < 5 and depth < 2:
            out.append(folder(below + name + "/"))
            out += _random_layer(rng, f"{below}{name}/", depth + 1)
    return out


@pytest.mark.parametrize("seed", range(int(os.environ.get("MINIMG_ORACLE_LAYERS", "25"))))
def test_umoci_agrees_on_random_layers(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    layers = [_random_layer(rng) for _ in range(rng.randrange(2, 5))]
    expected = _umoci_s_paths(layers, tmp_path)
    assert paths(layered(tmp_path, *layers)) == expected


def test_the_order_inside_a_layer_does_not_matter(tmp_path: Path) -> None:
    lower = [File("d/a", b"old"), File("d/b", b"old"), File("e/c", b"old")]
    upper = [
        File("d/.wh..wh..opq"),
        File("d/a", b"new"),
        File("e/.wh.c"),
        File("e/f"),
    ]
    for order in itertools.permutations(upper):
        root = layered(tmp_path, lower, order)
        assert paths(root) == ["/d", "/d/a", "/e", "/e/f"]
        assert content(root, b"/d/a") == b"new"


def test_a_directory_takes_the_mode_of_the_upper_layer_and_keeps_its_files(tmp_path: Path) -> None:
    root = layered(tmp_path, [folder("d/", 0o755), File("d/a")], [folder("d/", 0o700)])
    assert paths(root) == ["/d", "/d/a"]
    stat = root.lstat(b"/d")
    assert stat is not None and stat.mode == 0o700


def test_hard_links_reach_into_lower_layers_and_stay_valid(tmp_path: Path) -> None:
    root = layered(
        tmp_path,
        [File("a", b"lower"), hardlink("a2", "a"), File("gone/b", b"gone")],
        [hardlink("c", "a"), File("a", b"upper"), hardlink("d", "gone/b"), File(".wh.gone")],
        [File(".wh.a2")],
    )
    assert paths(root) == ["/a", "/c", "/d"]
    assert [content(root, path) for path in (b"/a", b"/c", b"/d")] == [b"upper", b"lower", b"gone"]
    root = layered(tmp_path, [File("a", b"x")], [hardlink("b", "a")], [hardlink("c", "b")])
    stats = {root.lstat(path) for path in (b"/a", b"/b", b"/c")}
    assert len(stats) == 1


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh..."])
def test_a_whiteout_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    layout = Layout()
    layout.index(layout.manifest([tar([File("d/a")]), tar([File(name)])]))
    assert "whiteout of nothing" in refused(layout.as_tar(tmp_path / "r.tar"))


@pytest.mark.parametrize("packed", ["", "gz", "zst"])
@pytest.mark.parametrize("outer", ["", "gz"])
def test_an_oci_layout_is_read_as_a_tar_and_as_a_folder(
    packed: str, outer: str, tmp_path: Path
) -> None:
    layout = Layout()
    layout.index(layout.manifest([tar([File("a", b"1")]), tar([File("b", b"2")])], packed=packed))
    first = converted(layout.as_tar(tmp_path / "r.tar", outer), tmp_path / "one")
    second = converted(layout.as_folder(tmp_path / "d"), tmp_path / "two")
    for root in (first, second):
        assert (content(root, b"/a"), content(root, b"/b")) == (b"1", b"2")
        assert root.platform == {"os": "linux", "architecture": "amd64"}
    for out in ("one", "two"):
        assert sorted(os.listdir(tmp_path / out)) == ["0.tar", "1.tar", "index.json"]
    assert (tmp_path / "one/index.json").read_bytes() == (tmp_path / "two/index.json").read_bytes()


def test_what_docker_saves_is_read(tmp_path: Path) -> None:
    layers = [tar([File("a", b"1"), File("gone")]), tar([File(".wh.gone")])]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = json.dumps(
        {"os": "linux", "architecture": "arm64", "variant": "v8", "rootfs": {"diff_ids": diff_ids}}
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    listing = [{"Config": name, "Layers": ["1/layer.tar", "2/layer.tar"]}]
    files = [
        File(name, config),
        File("1/layer.tar", layers[0]),
        link("2/layer.tar", "../3/layer.tar"),  # as old engines store equal layers
        File("3/layer.tar", layers[1]),
        File("manifest.json", json.dumps(listing).encode()),
        File("repositories", b"{}"),
    ]
    (tmp_path / "r.tar").write_bytes(tar(files))
    root = converted(tmp_path / "r.tar", tmp_path / "out")
    assert paths(root) == ["/a"]
    assert root.platform == {"os": "linux", "architecture": "arm64", "variant": "v8"}


def test_a_hybrid_is_read_once(tmp_path: Path) -> None:
    layout = Layout()
    descriptor = layout.manifest([tar([File("a")])], packed="")
    layout.index(descriptor)
    manifest = json.loads(layout.files["blobs/sha256/" + descriptor["digest"][7:]])
    names = ["blobs/sha256/" + item["digest"][7:] for item in manifest["layers"]]
    layout.docker(("blobs/sha256/" + manifest["config"]["digest"][7:], names))
    root = converted(layout.as_tar(tmp_path / "r.tar"), tmp_path / "out")
    assert paths(root) == ["/a"]
    del layout.files["oci-layout"]
    root = converted(layout.as_tar(tmp_path / "s.tar"), tmp_path / "out2")
    assert paths(root) == ["/a"]


def test_a_file_system_with_a_manifest_json_of_its_own_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "r.tar").write_bytes(tar([File("manifest.json", b'{"name": "app"}'), File("a")]))
    assert paths(converted(tmp_path / "r.tar", tmp_path / "out")) == ["/a", "/manifest.json"]


def _several() -> Layout:
    layout = Layout()
    amd64 = layout.manifest([tar([File("amd64")])], "amd64")
    arm64 = layout.manifest([tar([File("arm64")])], "arm64")
    gone = layout.manifest([tar([File("s390x")])], "s390x")
    del layout.files["blobs/sha256/" + gone["digest"][7:]]
    note = layout.json({}, "application/vnd.oci.image.manifest.v1+json")
    note["platform"] = {"os": "unknown", "architecture": "unknown"}
    inner = layout.json(
        {"schemaVersion": 2, "manifests": [amd64, arm64, gone, note]},
        "application/vnd.oci.image.index.v1+json",
    )
    layout.index(inner, {**amd64, "annotations": {"org.opencontainers.image.ref.name": "x"}})
    return layout


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_architecture_chooses_among_images(architecture: str, tmp_path: Path) -> None:
    root = converted(_several().as_tar(tmp_path / "r.tar"), tmp_path / "out", architecture)
    assert paths(root) == [f"/{architecture}"]


def test_without_a_choice_the_images_are_listed(tmp_path: Path) -> None:
    source = _several().as_tar(tmp_path / "r.tar")
    message = refused(source)
    assert "more than one image; those in it are: linux/amd64, linux/arm64" in message
    message = refused(source, "s390x")
    assert "no image for s390x; those in it are: linux/amd64, linux/arm64" in message


def test_a_single_image_of_another_architecture_is_refused(tmp_path: Path) -> None:
    layout = Layout()
    layout.index(layout.manifest([tar([File("a")])], "arm64"))
    assert "no image for amd64" in refused(layout.as_tar(tmp_path / "r.tar"), "amd64")


def test_each_blob_is_compared_with_its_digest(tmp_path: Path) -> None:
    layout = Layout()
    layout.index(layout.manifest([tar([File("a")]), tar([File("b")])]))
    blobs = [name for name in layout.files if name.startswith("blobs/")]
    assert len(blobs) == 4
    for number, name in enumerate(blobs):
        source = tmp_path / str(number)
        source.mkdir()
        good = layout.files[name]
        layout.files[name] = good + b"\0"  # which would do no harm to a packed layer
        assert "are other ones" in refused(layout.as_tar(source / "r.tar"))
        del layout.files[name]
        refused(layout.as_tar(source / "r.tar"))
        layout.files[name] = good


def test_a_layer_is_compared_with_its_diff_id(tmp_path: Path) -> None:
    layer = tar([File("a")])
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"diff_ids": ["sha256:" + "0" * 64]},
    }
    files = [
        File("c.json", json.dumps(config).encode()),
        File("l.tar", layer),
        File("manifest.json", b'[{"Config": "c.json", "Layers": ["l.tar"]}]'),
    ]
    (tmp_path / "r.tar").write_bytes(tar(files))
    assert "has other bytes" in refused(tmp_path / "r.tar")


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"{}",
        b'{"manifests": 5}',
        b'{"manifests": [5]}',
        b'{"manifests": [{"digest": "sha256:../../x", "size": 1}]}',
        b'{"manifests": [{"digest": 5, "size": 1}]}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_index_is_refused(index: bytes, tmp_path: Path) -> None:
    layout = Layout()
    layout.files["index.json"] = index
    refused(layout.as_tar(tmp_path / "r.tar"))


def test_an_index_within_itself_ends(tmp_path: Path) -> None:
    layout = Layout()
    descriptor = layout.manifest([tar([File("a")])])
    for _ in range(10):
        descriptor = layout.json(
            {"manifests": [descriptor]}, "application/vnd.oci.image.index.v1+json"
        )
    layout.index(descriptor)
    assert "indexes within indexes" in refused(layout.as_tar(tmp_path / "r.tar"))


def test_a_layout_s_links_do_not_leave_it(tmp_path: Path) -> None:
    layout = Layout()
    layout.index(layout.manifest([tar([File("a")])]))
    (tmp_path / "in").mkdir()
    source = layout.as_folder(tmp_path / "in" / "d")
    (tmp_path / "index.json").write_bytes(layout.files["index.json"])
    (source / "index.json").unlink()
    (source / "index.json").symlink_to("../../index.json")
    # Inside its own root that link leads to itself.
    assert "no OCI layout" in refused(source)


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    layout = Layout()
    layout.index(
        layout.manifest([tar([File("a"), link("l", "d")]), tar([File("d/.wh.a")])], packed="")
    )
    whole = tar([File(name, data) for name, data in sorted(layout.files.items())])
    rng = random.Random(3)
    outcomes = {True: 0, False: 0}
    for number in range(600):
        mutant = bytearray(whole)
        for _ in range(rng.randrange(1, 3)):
            mutant[rng.randrange(len(mutant))] = rng.choice(b'\0./{}[]":,0a\xff')
        (tmp_path / "r.tar").write_bytes(mutant)
        out = tmp_path / f"out{number}"
        try:
            converted(tmp_path / "r.tar", out)
        except MinimgError as error:
            assert error.code == "MINIMG-E027"
            assert not out.exists()
        else:
            outcomes[True] += 1
            continue
        outcomes[False] += 1
    assert min(outcomes.values()) > 50


def test_a_musl_root_file_system_resolves(tmp_path: Path) -> None:
    musl = build(Spec(soname=b"libc.musl-x86_64.so.1"))
    files = [
        folder("lib/"),
        File("lib/ld-musl-x86_64.so.1", musl, mode=0o755),
        link("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1"),
        File("usr/lib/libz.so.1.3", build(Spec(soname=b"libz.so.1")), mode=0o755),
        link("usr/lib/libz.so.1", "libz.so.1.3"),
        File(
            "usr/bin/app",
            build(Spec(interp=MUSL, needed=[b"libz.so.1", b"libc.musl-x86_64.so.1"])),
            mode=0o755,
        ),
    ]
    (tmp_path / "r.tar.gz").write_bytes(compress(tar(files), "gz"))
    root = converted(tmp_path / "r.tar.gz", tmp_path / "out")
    closure = loader.resolve(root, b"/usr/bin/app")
    assert closure.is_musl and not closure.missing
    assert {item.walk.real for item in closure.loaded} == {
        b"/lib/ld-musl-x86_64.so.1",
        b"/usr/lib/libz.so.1.3",
    }


def test_the_result_is_a_function_of_the_input_alone(tmp_path: Path) -> None:
    source = _several().as_tar(tmp_path / "r.tar")
    old = os.umask(0o077)
    try:
        converted(source, tmp_path / "one", "amd64")
    finally:
        os.umask(old)
    converted(source, tmp_path / "two", "amd64")
    for name in ("0.tar", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_folder_that_convert_did_not_make_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E001"):
        open_rootfs(str(tmp_path))
    (tmp_path / "index.json").write_bytes(b'{"version": 1, "tars": [], "entries": [[1]]}')
    with pytest.raises(MinimgError, match="MINIMG-E001"):
        open_rootfs(str(tmp_path))


def test_the_command_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = _several().as_tar(tmp_path / "r.tar"), tmp_path / "out"
    arguments = ["rootfs", f"--in={source}", f"--out={out}", f"--limit={LIMIT}"]
    assert command_line.main(arguments) == 2
    assert capsys.readouterr().err.startswith("MINIMG-E027 r.tar: it holds more than one image")
    assert command_line.main([*arguments, "--architecture=arm64"]) == 0
    assert paths(open_rootfs(str(out))) == ["/arm64"]


def test_python_s_tarfile_reads_the_same_tree(tmp_path: Path) -> None:
    rng = random.Random(8)
    files = [
        File(f"d{rng.randrange(9)}/{'n' * rng.randrange(1, 140)}{number}", rng.randbytes(number))
        for number in range(200)
    ]
    for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = tar(files, tar_format)
        (tmp_path / "r.tar").write_bytes(data)
        root = converted(tmp_path / "r.tar", tmp_path / f"out{tar_format}")
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None
                assert content(root, b"/" + member.name.encode()) == stream.read()
