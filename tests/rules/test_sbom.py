"""The step that writes what is in an image: it sees what was there before packing."""

from __future__ import annotations

from typing import Any

import pytest
from pants.engine.fs import FileEntry
from pants.engine.process import Process, ProcessCacheScope

from pants_plugin_minimg.util_rules import sbom
from pants_plugin_minimg.util_rules.closure import Planned
from pants_plugin_minimg.util_rules.compress import NOTHING_PACKED, Packed
from tests.rules.fake_engine import BUNDLER, FakeEngine, arguments, install

FILES = {
    "plan.json": b"plan",
    "steps.json": b"steps",
    "consulted.json": b"the state of this machine",
    "layers/1.json": b"a projection",
    "blobs/aa": b"a library",
    "blobs/bb": b"a program",
}


def made(
    fake: FakeEngine, files: dict[str, bytes] = FILES, packed: Packed = NOTHING_PACKED, **more: Any
) -> Process:
    planned = Planned({path: fake.entry(path, content) for path, content in files.items()}, {})
    known = {"name": "image:1", "address": "//a:image", **more}
    return fake.run(sbom.step(BUNDLER, planned, packed, **known))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    return install(monkeypatch, lambda argv, inputs: {})


def test_it_sees_the_plan_and_the_contents_alone(fake: FakeEngine) -> None:
    step = made(fake)
    assert fake.tree(step.input_digest) == {
        "plan.json": b"plan",
        "blobs/aa": b"a library",
        "blobs/bb": b"a program",
    }
    assert arguments(step) == (
        "sbom",
        "--plan=plan.json",
        "--blobs=blobs",
        "--name=image:1",
        "--out=sbom.cdx.json",
    )
    assert step.output_files == (sbom.OUTPUT,)
    assert step.cache_scope == ProcessCacheScope.SUCCESSFUL
    assert fake.processes == [], "the caller runs it beside the layers"


def test_of_what_was_packed_it_sees_the_report_and_the_plain_bytes(fake: FakeEngine) -> None:
    packed = Packed(
        {"bb": fake.entry("out/packed/bb", b"smaller")},
        {"bb": fake.entry("out/packed/bb.json", b"report")},
    )
    step = made(fake, packed=packed)
    assert "--packed=packed" in arguments(step)
    assert fake.tree(step.input_digest) == {
        "plan.json": b"plan",
        "blobs/aa": b"a library",
        "blobs/bb": b"a program",
        "packed/bb.json": b"report",
    }


def test_other_packed_bytes_with_the_same_report_are_no_other_key(fake: FakeEngine) -> None:
    reports = {"bb": fake.entry("x", b"report")}
    one = made(fake, packed=Packed({"bb": fake.entry("x", b"one")}, reports))
    two = made(fake, packed=Packed({"bb": fake.entry("x", b"two")}, reports))
    assert one == two


def test_the_state_of_the_machine_and_executable_bits_are_no_part_of_the_key(
    fake: FakeEngine,
) -> None:
    one = made(fake)
    assert made(fake, {**FILES, "consulted.json": b"other", "layers/1.json": b"other"}) == one
    files = {path: fake.entry(path, content) for path, content in FILES.items()}
    files["blobs/bb"] = FileEntry("blobs/bb", files["blobs/bb"].file_digest, True)
    planned = Planned(files, {})
    step = fake.run(sbom.step(BUNDLER, planned, NOTHING_PACKED, "image:1", "//a:image"))
    assert step == one


def test_the_address_is_in_the_log_alone(fake: FakeEngine) -> None:
    one, two = made(fake), made(fake, address="//b:image")
    assert one == two and one.description != two.description
    assert made(fake, name="other:1") != one
