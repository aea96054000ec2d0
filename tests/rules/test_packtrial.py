"""What is said of packed programs that were run beside the plain ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pants.core.goals.package import BuiltPackage, OutputPathField
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST
from pants.testutil.option_util import create_subsystem

from pants_plugin_minimg.engine import StandardSearchPath
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.util_rules import imageindex, packtrial, products
from pants_plugin_minimg.util_rules.closure import Planned
from pants_plugin_minimg.util_rules.compress import Packed
from pants_plugin_minimg.util_rules.isolation import UNUSABLE
from tests.rules.fake_engine import ACCESS, BUNDLER, Failed, FakeEngine, Tree, install

PROGRAM: dict[str, Any] = {
    "path": "/p", "status": 0, "same_output": True, "plain_seconds": 0.0123,
    "packed_seconds": 0.2, "plain_memory": 2_000_000, "packed_memory": 9_000_000,
}  # fmt: skip
_DOCUMENTS = ("index", "manifest")
SAME = "  /p does the same packed, and starts in bubblewrap in 200 ms (plain 12)"
MEMORY = ", with 9.00 MB of memory (plain 2.00 MB)"


def lines(**changed: Any) -> list[str]:
    report = {"run_by": "bubblewrap", "programs": [{**PROGRAM, **changed}]}
    return list(packtrial.lines(packtrial.Trial(report)))


def test_the_price() -> None:
    assert lines() == [SAME + MEMORY]
    (told,) = lines(plain_memory=None)
    assert told == f"{SAME}, with 9.00 MB of memory (plain ends too soon to tell)"
    assert lines(packed_memory=None) == lines(plain_memory=None, packed_memory=None) == [SAME]
    assert list(packtrial.lines(packtrial.NOTHING_TRIED)) == []


def test_what_shows_little() -> None:
    same, doubt = lines(status=255)
    assert same == SAME + MEMORY
    assert "/p ends with 255, plain too, which shows little" in doubt and "`upx_check`" in doubt
    assert "only its status was compared" in lines(same_output=False)[1]


def trial(
    monkeypatch: pytest.MonkeyPatch, answer: Any, outcome: str = "packed", **check: Any
) -> packtrial.Trial:
    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        if isinstance(answer, Failed):
            raise answer
        return {"trial.json": json.dumps({"version": 1, **answer}).encode()}

    fake: FakeEngine = install(monkeypatch, command)
    planned = Planned({"plan.json": fake.entry("plan.json", b"{}")}, {"pack": []})
    report = json.dumps({"outcome": outcome}).encode()
    packed = Packed({"aa": fake.entry("aa", b"packed")}, {"aa": fake.entry("aa.json", report)})
    how = packtrial.Check(**{"address": "//a:b", "arguments": (), "user": "", "env": {}, **check})
    search_path = StandardSearchPath(("/usr/bin",))
    return fake.run(packtrial.trial(BUNDLER, planned, packed, how, search_path))


def test_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"run_by": "bubblewrap", "programs": [PROGRAM]}
    assert trial(monkeypatch, report).report == report


def test_nothing_to_run_it_with(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial(monkeypatch, Failed(UNUSABLE, "", stdout="the image is for s390x\n"))
    assert list(packtrial.lines(found)) == [
        "  packed programs were not run: the image is for s390x"
    ]
    (said,) = packtrial.lines(trial(monkeypatch, {}, arguments=None))
    assert said == "  packed programs were not run: `upx_check=False`"


def test_nothing_is_run_where_all_stayed_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Failed(1, "it was run")
    for arguments in ((), None):
        tried = trial(monkeypatch, never, outcome="refused", arguments=arguments)
        assert tried == packtrial.NOTHING_TRIED


def test_an_index_of_packed_images_has_no_times_in_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = [
        {"digest": f"sha256:{name}", "platform": {"architecture": name}, "upx": {"saved": 1}}
        for name in ("amd64", "arm64")
    ]

    def command(argv: tuple[str, ...], inputs: Tree) -> Tree:
        seen.append({path: data for path, data in inputs.items() if path.endswith("info.json")})
        info = {"log_lines": [], "index": {"digest": "sha256:i"}, "manifests": images}
        return {"out/layout/index.json": b"{}", "out/info.json": json.dumps(info).encode()}

    seen: list[Tree] = []
    fake = install(monkeypatch, command)
    ran = packtrial.Trial({"run_by": "bubblewrap", "programs": [PROGRAM]})
    parts = [
        products.BuiltMinimalImage(
            "x",
            layout=fake.store([fake.entry(f"layout/{name}.json", b"{}") for name in _DOCUMENTS]),
            info=fake.entry("info.json", json.dumps({"manifests": [image]}).encode()),
            manifest=image["digest"],  # type: ignore[arg-type]
            trial=trial,
        )
        for image, trial in zip(images, (ran, packtrial.Trial({"not_run": "it is for arm64"})))
    ]
    wanted = imageindex.Wanted(
        "a:both", (), {}, ("a", "b"), OutputPathField(None, Address("a", target_name="both")), False
    )
    options = create_subsystem(MinimgSubsystem, plans=False, html=False)
    packages = [BuiltPackage(EMPTY_DIGEST, (part,)) for part in parts]
    built = fake.run(imageindex.build(wanted, packages, ACCESS, options))
    (inputs,) = seen
    assert len(inputs) == 2 and not any(b"trial" in data for data in inputs.values())
    written = json.loads(fake.tree(built.digest)["a/both.docker-info.json"])
    assert [image["upx"]["trial"] for image in written["manifests"]] == [
        ran.report, {"not_run": "it is for arm64"},
    ]  # fmt: skip
    assert built.artifacts[0].extra_log_lines == (
        f"  amd64: {(SAME + MEMORY).strip()}",
        "  arm64: packed programs were not run: it is for arm64",
    )


def test_one_that_differs_is_an_error_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failed(2, "MINIMG-E042 /p: it differs. Leave it plain.\n")
    with pytest.raises(BundlerError, match=r"^MINIMG-E042 //a:b: /p: it differs\. Leave it plain"):
        trial(monkeypatch, failure)


def test_one_that_nothing_can_be_said_of() -> None:
    assert lines(not_run="plain it does not end") == [
        "  /p was not compared: plain it does not end"
    ]
