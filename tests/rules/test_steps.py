"""Layers, packing and the image around them: what each process gets to see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pants.engine.fs import FileEntry

from pants_plugin_minimg.engine import StandardSearchPath
from pants_plugin_minimg.subsystems.bundler import BundlerError, run_all
from pants_plugin_minimg.util_rules import compress, image, layers
from pants_plugin_minimg.util_rules.closure import Planned, Sysroot
from pants_plugin_minimg.util_rules.compress import NOTHING_PACKED, Packed
from tests.rules.fake_engine import BUNDLER, FakeEngine, Tree, install

PROJECTION = b'{"version": 1, "entries": []}'


def planned(fake: FakeEngine, number: int, plan: bytes, **more: Any) -> Planned:
    """A plan of one layer, which is the layer `number` of it."""
    files = {
        f"layers/{number}.json": PROJECTION,
        "blobs/aa": b"a library",
        "blobs/bb": b"a program",
        "blobs/cc": b"of another layer",
        "plan.json": plan,
        "inventory.json": b"inventory",
        "consulted.json": b"the state of this machine",
    }
    layer = {"projection": f"layers/{number}.json", "blobs": ["aa"], "packed": ["bb"], "size": 9}
    return Planned(
        {path: fake.entry(path, content) for path, content in files.items()},
        {"layers": [layer], "pack": [{"content": "bb", "path": "/usr/bin/b"}], **more},
    )


def write_layer(argv: tuple[str, ...], inputs: Tree) -> Tree:
    assert argv == (
        "layer",
        "--projection=projection.json",
        "--blobs=blobs",
        "--packed=packed",
        "--mtime=0",
        "--out=out",
    )
    return {"out/layer.json": b"{}", "out/blobs/sha256/l": b"layer"}


def test_a_layer_sees_its_projection_and_its_contents_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = install(monkeypatch, write_layer)
    packed = Packed({"bb": fake.entry("out/packed/bb", b"smaller")}, {})
    (step,) = fake.run(layers.steps(BUNDLER, planned(fake, 1, b"plan"), packed, "//a:image", 0))
    (written,) = fake.run(run_all([step]))
    assert sorted(fake.tree(written)) == ["out/blobs/sha256/l", "out/layer.json"]
    # a library of 9 bytes, and the 7 of the packed program
    assert step.description == "Write layer 1 of 1 of //a:image (16 B)"
    assert fake.tree(step.input_digest) == {
        "projection.json": PROJECTION,
        "blobs/aa": b"a library",
        "packed/bb": b"smaller",
    }


def test_images_that_share_a_layer_share_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another address, another plan around it, another place among the layers: the same key."""
    fake = install(monkeypatch, write_layer)
    packed = Packed({"bb": fake.entry("packed/bb", b"smaller")}, {})
    (first,) = fake.run(layers.steps(BUNDLER, planned(fake, 1, b"reasons"), packed, "//a:image", 0))
    (second,) = fake.run(layers.steps(BUNDLER, planned(fake, 2, b"others"), packed, "//b:image", 0))
    assert first == second
    assert first.description != second.description


def test_the_executable_bit_of_a_blob_is_in_no_key_of_a_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = install(monkeypatch, write_layer)
    plan = planned(fake, 1, b"plan")
    blob = plan.files["blobs/aa"]
    other = {**plan.files, "blobs/aa": FileEntry(blob.path, blob.file_digest, True)}
    packed = Packed({"bb": fake.entry("packed/bb", b"x")}, {})
    first = fake.run(layers.steps(BUNDLER, plan, packed, "//a:image", 0))
    second = fake.run(layers.steps(BUNDLER, Planned(other, plan.steps), packed, "//a:image", 0))
    assert first == second


def test_a_layer_sees_files_of_this_machine_as_links(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, write_layer)
    plan = planned(fake, 1, b"plan")
    files = {path: entry for path, entry in plan.files.items() if path != "blobs/aa"}
    linked = Planned(files, plan.steps, {"blobs/aa": "/usr/lib/a"})
    packed = Packed({"bb": fake.entry("out/packed/bb", b"smaller")}, {})
    (step,) = fake.run(layers.steps(BUNDLER, linked, packed, "//a:image", 0))
    assert fake.links(step.input_digest) == {"blobs/aa": "/usr/lib/a"}
    assert sorted(fake.tree(step.input_digest)) == ["packed/bb", "projection.json"]
    assert step.description == "Write layer 1 of 1 of //a:image (16 B)"


def upx(argv: tuple[str, ...], inputs: Tree) -> Tree:
    if argv[0] == "plan":
        request = json.loads(inputs["request.json"])
        assert request["address"] == "[minimg-upx]"
        assert request["executables"] == request["entrypoint"] == ["/usr/bin/upx"]
        assert not request.get("pack")
        return {
            "out/steps.json": b'{"outside": false}',
            "out/consulted.json": b"{}",
            "out/plan.json": b"the plan of upx",
            "out/layers/2.json": b"{}",
            "out/blobs/uu": b"upx",
        }
    assert argv[:5] == ("pack", "--tool=tool", "--content=content", "--sha=bb", "--out=out")
    assert argv[5:] == ("--arg=--best", "--arg=-v")
    assert inputs == {
        "tool/plan.json": b"the plan of upx",
        "tool/blobs/uu": b"upx",
        "content": b"a program",
    }
    return {"out/packed/bb": b"smaller", "out/packed/bb.json": b'{"outcome": "packed"}'}


def test_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, upx)
    fake.programs["upx"] = "/usr/bin/upx"

    async def steps() -> Packed:
        sysroot = Sysroot({"kind": "host"}, (fake.store([]),), of_host=True)
        path = await compress.find_upx(StandardSearchPath(("/usr/bin",)), "//a:b")
        tool = await compress.tool(BUNDLER, sysroot, path)
        return await compress.pack(
            BUNDLER, planned(fake, 1, b"plan"), tool, ["--best", "-v"], "//a:b"
        )

    packed = fake.run(steps())
    assert fake.content(packed.files["bb"]) == b"smaller"
    assert fake.content(packed.reports["bb"]) == b'{"outcome": "packed"}'
    assert fake.commands() == ["plan", "pack"]
    assert fake.processes[1].description == "Pack /usr/bin/b of //a:b with UPX (9 B)"


def test_no_upx_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, upx)
    search_path = StandardSearchPath(("/usr/bin", "/bin"))
    with pytest.raises(
        BundlerError, match="^MINIMG-E017 //a:b: .* no `upx` in /usr/bin, /bin. .*upx-ucl"
    ):
        fake.run(compress.find_upx(search_path, "//a:b"))
    assert fake.processes == []


def write_image(argv: tuple[str, ...], inputs: Tree) -> Tree:
    assert argv == (
        "image",
        "--request=image.json",
        "--layer",
        "layers/1.json",
        "layers/2.json",
        "--plan=plan.json",
        "--inventory=inventory.json",
        "--report",
        "packed/bb.json",
        "--created=7",
        "--layers=layout",
        "--tar=out/image.tar",
        "--out=out",
    )
    assert json.loads(inputs["image.json"]) == {
        "address": "//a:b",
        "artifact": "a/image.tar",
    }
    assert {path: content for path, content in inputs.items() if path != "image.json"} == {
        "plan.json": b"plan",
        "inventory.json": b"inventory",
        "layers/1.json": b"lower",
        "layers/2.json": b"upper",
        "packed/bb.json": b"report",
        "layout/blobs/sha256/lower": b"bytes",
        "layout/blobs/sha256/upper": b"bytes",
    }
    return {
        "out/image.tar": b"tar",
        "out/info.json": b'{"log_lines": ["done"]}',
        "out/sbom.cdx.json": b"bill",
        "out/layout/oci-layout": b"o",
        "out/layout/index.json": b"i",
        "out/layout/blobs/sha256/m": b"m",
    }


def test_the_image_is_made_of_descriptors_and_its_blobs_are_merged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = install(monkeypatch, write_image)

    def layer(name: str) -> Mapping[str, FileEntry]:
        return {
            "layer.json": fake.entry("layer.json", name.encode()),
            f"blobs/sha256/{name}": fake.entry(f"blobs/sha256/{name}", b"bytes"),
        }

    packed = Packed({"bb": fake.entry("x", b"")}, {"bb": fake.entry("x", b"report")})
    request = {"address": "//a:b", "artifact": "a/image.tar"}
    made = fake.run(
        image.assemble(
            BUNDLER,
            request,
            planned(fake, 1, b"plan"),
            packed,
            [layer("lower"), layer("upper")],
            7,
            tar=True,
        )
    )
    assert made.details == {"log_lines": ["done"]}
    assert fake.tree(made.layout) == {
        "layout/oci-layout": b"o",
        "layout/index.json": b"i",
        "layout/blobs/sha256/m": b"m",
        "layout/blobs/sha256/lower": b"bytes",
        "layout/blobs/sha256/upper": b"bytes",
    }
    assert made.tar is not None and fake.content(made.tar) == b"tar"
    assert made.sbom is not None and fake.content(made.sbom) == b"bill"
    (process,) = fake.processes
    assert process.description == "Write the image a/image.tar (2 layers, 10 B)"


def test_a_layout_alone_needs_no_bytes_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert not any(word.startswith(("--tar", "--layers")) for word in argv)
        assert not any("blobs" in path for path in inputs)
        return {"out/info.json": b"{}", "out/layout/index.json": b"i"}

    fake = install(monkeypatch, command)
    one = {
        "layer.json": fake.entry("layer.json", b""),
        "blobs/sha256/a": fake.entry("blobs/sha256/a", b"bytes"),
    }
    made = fake.run(
        image.assemble(
            BUNDLER,
            {"address": "//a:b", "artifact": "x"},
            planned(fake, 1, b"plan"),
            NOTHING_PACKED,
            [one],
            0,
            tar=False,
        )
    )
    assert made.tar is None
    assert set(made.files) == {"index.json", "blobs/sha256/a"}


def test_without_upx_no_report_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert "--report" not in argv
        return {"out/info.json": b"{}", "out/image.tar": b"", "out/layout/index.json": b"i"}

    fake = install(monkeypatch, command)
    one = {"layer.json": fake.entry("layer.json", b"")}
    fake.run(
        image.assemble(
            BUNDLER,
            {"address": "//a:b", "artifact": "x"},
            planned(fake, 1, b"plan"),
            NOTHING_PACKED,
            [one],
            0,
            tar=True,
        )
    )
