"""`verify` on images of ours, and on what others made of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as commands
from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.rendering import oci, tarstream

from .rootfs import Root

PROCESS = {
    "entrypoint": ["/usr/bin/tool"], "cmd": [], "env": {}, "user": "65532:65532", "labels": {},
    "ports": [], "volumes": [], "workdir": None, "stop_signal": None,
    "healthcheck": {"command": ["/usr/bin/tool", "--healthy"]},
}  # fmt: skip
NAMES = [
    {"repository": "tool", "template": tag, "tag": tag, "name": f"tool:{tag}"} for tag in ("1", "2")
]


def built(root: Root, folder: Path, **more: Any) -> Path:
    """An image by the bundler's own commands: `folder`/image.tar, plan/plan.json, out/info.json."""
    request = {
        "version": 1, "address": "//t:image", "trees": [], "executables": ["/usr/bin/tool"],
        "include": ["/srv"], "entrypoint": ["/usr/bin/tool"], "presets": ["passwd", "tmp"],
        "sysroot": {"kind": "dir", "root": str(root.folder)}, **more,
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "request.json").write_text(json.dumps(request))
    plan = folder / "plan"
    assert main("plan", "--request", folder / "request.json", "--out", plan) == 0
    layers = folder / "layers"
    facts = []
    for layer in json.loads((plan / "steps.json").read_text())["layers"]:
        out = folder / Path(layer["projection"]).stem
        projection = plan / layer["projection"]
        blobs = plan / "blobs"
        assert main("layer", "--projection", projection, "--blobs", blobs, "--out", out) == 0
        facts.append(out / "layer.json")
        for blob in (out / oci.BLOBS).iterdir():
            (layers / oci.BLOBS).mkdir(parents=True, exist_ok=True)
            blob.rename(layers / oci.BLOBS / blob.name)
    spec = {"version": 1, "artifact": "image.tar", "names": NAMES, "config": PROCESS}
    (folder / "image.json").write_text(json.dumps(spec))
    assert 0 == main(
        "image", "--request", folder / "image.json", "--plan", plan / "plan.json",
        "--layers", layers, "--out", folder / "out", "--tar", folder / "image.tar",
        "--layer", *facts,
    )  # fmt: skip
    return folder / "image.tar"


def main(*arguments: str | Path) -> int:
    return commands.main([str(argument) for argument in arguments])


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path / "root")
    for name in ("bin", "lib", "lib64"):
        root.directory(f"/usr/{name}")
        root.link(f"/{name}", f"usr/{name}")
    root.glibc()
    root.elf("/usr/lib/tri/libc.so.6", soname=b"libc.so.6")
    root.elf("/usr/lib/tri/libx.so.1.2", b"libc.so.6", soname=b"libx.so.1")
    root.link("/usr/lib/tri/libx.so.1", "libx.so.1.2")
    root.program("/usr/bin/tool", b"libx.so.1", b"libc.so.6")
    root.file("/srv/page.html", b"<p>hello")
    root.file("/srv/" + "long/" * 40 + "name", b"far down")
    root.hardlink("/srv/twin.html", "/srv/page.html")
    return root


@pytest.fixture
def image(root: Root, tmp_path: Path) -> Path:
    return built(root, tmp_path / "built")


def test_an_image_of_ours_is_fine(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, info = image.parent / "plan" / "plan.json", image.parent / "out" / "info.json"
    assert main("verify", image) == 0
    assert main("verify", image, "--plan", plan, "--info", info) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.endswith(": fine") and " in 3 layers" in first


class Opened:
    """An image taken apart, to be put together again with digests that fit."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as archive:
            self.files = {
                member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
                for member in archive
                if member.isfile()
            }
        self.index = json.loads(self.files["index.json"])
        self.docker = json.loads(self.files["manifest.json"])
        self.manifest = json.loads(self._blob(self.index["manifests"][0]["digest"]))
        self.config = json.loads(self._blob(self.manifest["config"]["digest"]))
        self.layers = [
            gzip.decompress(self._blob(layer["digest"])) for layer in self.manifest["layers"]
        ]
        self.more: dict[str, bytes] = {}
        self.mode = 0o644

    def _blob(self, digest: str) -> bytes:
        return self.files[oci.blob_path(digest)]

    def members(self, number: int) -> list[tuple[tarstream.Member, bytes]]:
        out = []
        with tarfile.open(fileobj=io.BytesIO(self.layers[number])) as archive:
            for item in archive:
                name = item.name + "/" if item.isdir() else item.name
                file = archive.extractfile(item) if item.isreg() else None
                member = tarstream.Member(
                    *(name.encode(), item.type, item.mode, item.size if file else 0),
                    *(item.uid, item.gid, 0, item.linkname.encode()),
                )
                out.append((member, file.read() if file else b""))
        return out

    def put(self, number: int, members: list[tuple[tarstream.Member, bytes]]) -> None:
        raw = b"".join(
            tarstream.header(member) + data + tarstream.padding(len(data))
            for member, data in members
        )
        self.layers[number] = raw + tarstream.END

    def change(self, number: int, name: bytes, data: bytes | None = None, **fields: Any) -> None:
        out = []
        for member, content in self.members(number):
            if member.name == name:
                content = content if data is None else data
                size = len(content)
                member = member._replace(**{"size": size, **fields})
            out.append((member, content))
        assert out != self.members(number)
        self.put(number, out)

    def write(self, path: Path, fit: bool = True) -> Path:
        """`fit`: the documents follow what was changed."""
        blobs: dict[str, bytes] = {}

        def put(content: bytes) -> str:
            digest = hashlib.sha256(content).hexdigest()
            blobs[f"{oci.BLOBS}/{digest}"] = content
            return f"sha256:{digest}"

        if fit:
            self.config["rootfs"]["diff_ids"] = [oci.digest_of(layer) for layer in self.layers]
            del self.manifest["layers"][len(self.layers) :]
        for layer, described in zip(self.layers, self.manifest["layers"]):
            packed = gzip.compress(layer, mtime=0)
            described.update(digest=put(packed), size=len(packed))
        config = jsonfile.canonical(self.config)
        self.manifest["config"].update(digest=put(config), size=len(config))
        manifest = jsonfile.canonical(self.manifest)
        digest = put(manifest)
        for descriptor in self.index["manifests"]:
            descriptor.update(digest=digest, size=len(manifest))
        self.docker[0]["Config"] = oci.blob_path(self.manifest["config"]["digest"])
        self.docker[0]["Layers"] = [oci.blob_path(x["digest"]) for x in self.manifest["layers"]]
        files = {
            "oci-layout": self.files["oci-layout"],
            "index.json": jsonfile.canonical(self.index),
            "manifest.json": jsonfile.canonical(self.docker),
            **blobs, **self.more,
        }  # fmt: skip
        out = [tarstream.header(tarstream.Member(b"blobs/", b"5", 0o755))]
        out += [tarstream.header(tarstream.Member(b"blobs/sha256/", b"5", 0o755))]
        for name in sorted(files, key=lambda name: name.split("/")):
            data = files[name]
            out.append(
                tarstream.header(tarstream.Member(name.encode(), b"0", self.mode, len(data)))
            )
            out.append(data + tarstream.padding(len(data)))
        path.write_bytes(b"".join(out) + tarstream.END)
        return path


PAGE, TOOL, LIBX = b"srv/page.html", b"usr/bin/tool", b"usr/lib/tri/libx.so.1.2"


def _drop(name: bytes) -> Callable[[Opened], None]:
    def change(image: Opened) -> None:
        members = image.members(1)
        image.put(1, [item for item in members if item[0].name != name])
        assert len(image.members(1)) < len(members)

    return change


def _add(
    member: tarstream.Member, at: int | None = None, number: int = 1
) -> Callable[[Opened], None]:
    def change(image: Opened) -> None:
        members = image.members(number)
        members.insert(len(members) if at is None else at, (member, b""))
        image.put(number, members)

    return change


def _config(**values: Any) -> Callable[[Opened], None]:
    return lambda image: image.config["config"].update(values)


#: Seen without a plan: what was done, and what is said of it.
ALWAYS: dict[str, tuple[Callable[[Opened], object], str]] = {
    "a library is gone": (_drop(LIBX), "it needs libx.so.1, which is not in the image"),
    "the program is gone": (_drop(TOOL), "it is not in the image"),
    "not executable": (lambda i: i.change(1, TOOL, mode=0o644), "not an executable file"),
    "another health check": (
        _config(Healthcheck={"Test": ["CMD", "/gone"]}), "the health check starts with '/gone'",
    ),
    "a user by name": (_config(User="www"), "the user 'www' is not in"),
    "world-writable": (lambda i: i.change(1, PAGE, mode=0o666), "everybody may write"),
    "a whiteout": (_add(tarstream.Member(b"srv/.wh.page.html", b"0", 0o644), 1), ".wh."),
    "twice": (_add(tarstream.Member(PAGE, b"0", 0o644)), "two entries of this path"),
    "not in order": (_add(tarstream.Member(b"aaa", b"0", 0o644)), "not in the order"),
    "below a file": (_add(tarstream.Member(PAGE + b"/x", b"0", 0o644)), "is not a directory"),
    "without its folder": (_add(tarstream.Member(b"new/x", b"0", 0o644)), "does not hold /new"),
    "a device": (_add(tarstream.Member(b"zero", b"3", 0o600)), "not written as we write it"),
    "a time": (lambda i: i.change(1, PAGE, mtime=5), "not written as we write it"),
    "a hard link to nothing": (
        _add(tarstream.Member(b"srv/z", b"1", 0o644, target=b"srv/gone")), "names no file",
    ),
    "the same file in two layers": (
        lambda i: [
            _add(tarstream.Member(b"zz", b"0", 0o644), at, number)(i)
            for number, at in ((1, -1), (2, None))
        ],
        "two layers hold it",
    ),
    "padding": (
        lambda i: i.layers.__setitem__(1, i.layers[1].replace(b"<p>hello\0", b"<p>hello!")),
        "not written as we write it",
    ),
    "after the end": (lambda i: i.layers.__setitem__(0, i.layers[0] + bytes(512)), "follows"),
    "cut off": (lambda i: i.layers.__setitem__(0, i.layers[0][:-1024]), "cut off"),
    "no layout's file": (lambda i: i.more.update({"virus": b"x"}), "no part of an image"),
    "another blob's name": (
        lambda i: i.more.update({f"{oci.BLOBS}/{'0' * 64}": b"x"}), "have the digest",
    ),
    "a blob that nobody names": (
        lambda i: i.more.update({f"{oci.BLOBS}/{hashlib.sha256(b'x').hexdigest()}": b"x"}),
        "no document names it",
    ),
    "docker's other name": (lambda i: i.docker[0]["RepoTags"].reverse(), "other names"),
    "an annotation more": (lambda i: i.index.update(annotations={}), "more than an index"),
    "another platform": (
        lambda i: i.config.update(architecture="arm64"), "differ in more than the name",
    ),
    "another size": (
        lambda i: i.more.update({"index.json": jsonfile.canonical({**i.index, "manifests": []})}),
        "names 0 images",
    ),
    "a mode of the archive": (lambda i: setattr(i, "mode", 0o600), "not a layout's"),
}  # fmt: skip

#: Seen only beside the plan.
WITH_PLAN: dict[str, tuple[Callable[[Opened], object], str]] = {
    "other bytes": (lambda i: i.change(1, PAGE, b"<p>hacked"), "its content, kind or target"),
    "another program": (lambda i: i.change(1, TOOL, i.members(0)[-1][1]), "its content, kind"),
    "another link": (
        lambda i: i.change(1, b"usr/lib/tri/libx.so.1", target=b"libc.so.6"), "kind or target",
    ),
    "another mode": (lambda i: i.change(1, PAGE, mode=0o600), "its mode is 0600, in the plan 0644"),
    "another owner": (lambda i: i.change(1, PAGE, uid=7), "its owner is not the plan's"),
    "a file more": (_add(tarstream.Member(b"zz", b"0", 0o644), -1), "not in the plan's layer"),
    "a folder more": (_add(tarstream.Member(b"zz/", b"5", 0o755), -1), "not in the plan's layer"),
    "a file less": (_drop(b"srv/twin.html"), "/srv/twin.html: the plan has it"),
    "a layer less": (lambda i: i.layers.pop() and i.config["history"].pop(), "it has 3 layers"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALWAYS)
def test_what_was_done_to_an_image_is_told(
    image: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, told = ALWAYS[name]
    opened = Opened(image)
    assert main("verify", opened.write(tmp_path / "same.tar")) == 0
    change(opened)
    capsys.readouterr()
    assert main("verify", opened.write(tmp_path / "other.tar")) == 1
    captured = capsys.readouterr()
    assert told in captured.out
    assert captured.err == "" and all(
        line.startswith("MINIMG-E") for line in captured.out.splitlines()
    )


@pytest.mark.parametrize("name", WITH_PLAN)
def test_what_only_the_plan_can_tell(
    image: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, told = WITH_PLAN[name]
    opened = Opened(image)
    plan = image.parent / "plan" / "plan.json"
    assert main("verify", opened.write(tmp_path / "same.tar"), "--plan", plan) == 0
    change(opened)
    capsys.readouterr()
    assert main("verify", opened.write(tmp_path / "other.tar"), "--plan", plan) == 1
    assert told in capsys.readouterr().out


def test_the_info_tells_another_digest(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Opened(image).write(tmp_path / "other.tar")  # compressed otherwise
    assert main("verify", other, "--info", image.parent / "out" / "info.json") == 1
    assert "the info JSON is about sha256:" in capsys.readouterr().out


def test_documents_that_do_not_fit_the_layers(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Opened(image)
    opened.layers[1] = opened.layers[1].replace(b"<p>hello", b"<p>jello")
    assert main("verify", opened.write(tmp_path / "other.tar", fit=False)) == 1
    assert "the tar in it is not sha256:" in capsys.readouterr().out


def test_a_program_that_upx_packed_is_left_to_the_info(
    root: Root, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Opened(image)
    tool = next(data for member, data in opened.members(1) if member.name == TOOL)
    opened.change(1, TOOL, tool + b"UPX!")
    other, plan = opened.write(tmp_path / "o.tar"), image.parent / "plan" / "plan.json"
    assert main("verify", other, "--plan", plan) == 0
    assert "not compared: /usr/bin/tool is packed by UPX" in capsys.readouterr().out
    opened.change(1, PAGE, b"UPX!")
    assert main("verify", opened.write(tmp_path / "o.tar"), "--plan", plan) == 1


def test_what_may_be_missing_is_told_without_the_plan_alone(
    root: Root, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root.program("/usr/bin/tool", b"libgone.so.1", b"libc.so.6")
    image = built(root, tmp_path / "built", allowed_missing=["libgone.so.1"])
    assert main("verify", image) == 1
    assert "it needs libgone.so.1" in capsys.readouterr().out
    assert main("verify", image, "--plan", image.parent / "plan" / "plan.json") == 0


def test_bad_input_ends_with_one_line(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert main("verify", tmp_path / "gone.tar") == 2
    assert main("verify", image, "--plan", tmp_path / "x.json") == 2
    assert main("verify", image, "--info", tmp_path / "gone.json") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("MINIMG-E001 ") for line in lines)


def test_an_image_that_unpacks_to_too_much(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("verify", image, "--limit", "2000") == 1
    assert "it unpacks to more than the limit" in capsys.readouterr().out


def test_broken_bytes_are_findings_and_nothing_else(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Single bytes, runs and cuts of the archive, and of layers and documents whose digests fit."""
    rng = random.Random(20)
    raw, plan = image.read_bytes(), image.parent / "plan" / "plan.json"
    for number in range(400):
        other = tmp_path / "other.tar"
        if number % 2:
            opened = Opened(image)
            which = rng.randrange(len(opened.layers))
            opened.layers[which] = _mutated(opened.layers[which], rng)
            opened.write(other)
        else:
            other.write_bytes(_mutated(raw, rng))
        assert main("verify", other, "--plan", plan) in (1, 2)
        captured = capsys.readouterr()
        lines = captured.out.splitlines() + captured.err.splitlines()
        assert lines and all(line.startswith("MINIMG-E") for line in lines)


@pytest.mark.parametrize("size", [0, 600, 9000])
def test_the_beginning_of_a_tar(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """As Pants leaves one that is killed while it writes to dist."""
    other = tmp_path / "other.tar"
    other.write_bytes(image.read_bytes()[:size])
    assert main("verify", other) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"MINIMG-E027 {other}: ") and "cut off" in first
    assert last == "MINIMG-E039 the image's documents: there is no 'oci-layout' in it."


def _mutated(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(raw))
    way = rng.randrange(3)
    if way == 0:
        return raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]
    if way == 1:
        return raw[:at]
    return raw[:at] + bytes(rng.getrandbits(8) for _ in range(40)) + raw[at + 40 :]
