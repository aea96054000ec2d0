"""What `build-support/pants_api.py` reads out of a source of Pants, here a very small one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "build-support" / "pants_api.py"

PANTS = {
    "VERSION": "2.29.0\n",
    "engine/internals/native_engine.pyi": """
from pants.engine.fs import Paths

class Digest:
    def __init__(self, fingerprint: str, length: int) -> None: ...
    @property
    def fingerprint(self) -> str: ...

class Many:
    @overload
    def __new__(cls, a: int) -> Many: ...
    @overload
    def __new__(cls) -> Many: ...
""",
    "engine/fs.py": """
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, TYPE_CHECKING
from pants.engine.internals.native_engine import Digest as Digest
from pants.engine.internals.native_engine import Many

@dataclass(frozen=True)
class Base:
    digest: Digest
    kind: ClassVar[str] = "base"

@dataclass(frozen=True)
class Paths(Base):
    files: tuple[str, ...] = ()
    seen: int = field(default=0, init=False)
    tags: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, digest: Digest, *more: str, last: bool = False) -> Paths: ...

@dataclass
class Explicit(Base):
    def __init__(self, digest: "Digest | None", *, name: str = "x", **others) -> None:
        self.name = name

class Scope(Enum):
    ALWAYS = "always"

class Error(Exception):
    pass
""",
    "engine/rules.py": "from pants.engine.internals.selectors import *\ndef implicitly(*a): ...\n",
    "engine/internals/selectors.py": "def _c(*a): ...\nconcurrently = _c\n",
    "engine/environment.py": "class EnvironmentName: ...\n",
    "engine/intrinsics.py": "async def execute_process(process): ...\n",
    "core/steps.py": """
from pants.engine import fs
from pants.engine.environment import EnvironmentName
from pants.engine.fs import Digest
from pants.engine.intrinsics import execute_process
from pants.engine.rules import rule
from pants.option.subsystem import Subsystem

class Options(Subsystem):
    class EnvironmentAware(Subsystem.EnvironmentAware):
        folder: str

class Inputs: ...
class Raw: ...
class Found: ...
class Lonely: ...

@rule
async def read(inputs: Inputs, options: Options) -> Raw: ...

@rule(desc="x")
async def find(raw: Raw, paths: fs.Paths, name: EnvironmentName) -> Found:
    return await through(raw)

async def through(raw: Raw) -> Found:
    return await execute_process(raw)

@rule
async def paths(options: Options.EnvironmentAware) -> fs.Paths: ...

@rule
async def other(lonely: Lonely) -> Raw: ...

look = find

async def helper(x: int = 1, /, *, y: Digest): ...
""",
    "core/steps_test.py": "@rule\nasync def shortcut(inputs: Inputs) -> Raw: ...\n",
    "option/subsystem.py": "class Subsystem:\n    class EnvironmentAware:\n        pass\n",
}
PLUGIN = {
    "engine/_by_name.py": """
from pants.core import steps
from pants.core.steps import Found, Inputs, Options, helper, look
from pants.engine.fs import Base, Digest, Error, Explicit, Paths, Scope, Missing
from pants.engine.internals.native_engine import Many
from pants.engine.rules import concurrently, implicitly

async def run(i: Inputs, o: Options.EnvironmentAware) -> Found:
    Paths.of(x).files, Scope.ALWAYS, o.folder, x.name, x.fingerprint, x.nothing, steps.helper
    return await look(**implicitly({i: Inputs}))
""",
    "engine/_by_get.py": "from pants.engine.fs import Unseen\n",
    "bundler/plan.py": "from pants.engine.fs import Unseen\n",
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The table of the small Pants and the small plugin above."""
    root = tmp_path_factory.mktemp("small")
    for folder, files in (("src/python/pants", PANTS), ("plugin", PLUGIN)):
        for name, text in files.items():
            file = root / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    command = [sys.executable, str(SCRIPT), "--package", str(root / "plugin")]
    result = subprocess.run(
        [*command, "--source", f"2.29.0={root}"], capture_output=True, text=True, check=True
    )
    assert result.stderr == "2.29.0 has no pants.engine.fs.Missing\n"
    found: dict[str, Any] = json.loads(result.stdout)
    assert list(found) == ["2.29.0"]
    content: dict[str, Any] = found["2.29.0"]
    return content


DIGEST = "pants.engine.internals.native_engine.Digest"


@pytest.mark.parametrize(
    ("name", "kind", "signature"),
    [
        (DIGEST, "class", "(fingerprint: str, length: int)"),
        ("pants.engine.internals.native_engine.Many", "class", "(*args, **kwargs)"),
        ("pants.engine.fs.Base", "class", f"(digest: {DIGEST})"),
        (
            "pants.engine.fs.Paths",
            "class",
            f"(digest: {DIGEST}, files: tuple[str, ...]=..., tags: list[str]=...)",
        ),
        (
            "pants.engine.fs.Explicit",
            "class",
            f"(digest: {DIGEST} | None, *, name: str=..., **others)",
        ),
        ("pants.engine.fs.Scope", "class", "(value)"),
        ("pants.engine.fs.Error", "class", "(*args, **kwargs)"),
        ("pants.engine.internals.selectors._c", "function", "(*a)"),
        (
            "pants.core.steps.find",
            "rule",
            "(raw: pants.core.steps.Raw, paths: pants.engine.fs.Paths,"
            " name: pants.engine.environment.EnvironmentName) -> pants.core.steps.Found",
        ),
        ("pants.core.steps.helper", "async function", f"(x: int=..., /, *, y: {DIGEST})"),
    ],
)
def test_definitions(release: dict[str, Any], name: str, kind: str, signature: str) -> None:
    definition = release["definitions"][name]
    assert (definition["kind"], definition["signature"]) == (kind, signature)


def test_names_that_are_defined_elsewhere(release: dict[str, Any]) -> None:
    assert release["names"] == {
        "pants.core.steps.look": "pants.core.steps.find",
        "pants.engine.fs.Digest": DIGEST,
        "pants.engine.rules.concurrently": "pants.engine.internals.selectors._c",
    }


def test_members_that_are_used(release: dict[str, Any]) -> None:
    definitions = release["definitions"]
    paths = "pants.engine.fs.Paths"
    assert definitions[paths]["members"] == {
        "files": "tuple[str, ...]",
        "of": f"(digest: {DIGEST}, *more: str, last: bool=...) -> {paths}",
    }
    assert definitions["pants.engine.fs.Scope"]["members"] == {"ALWAYS": "pants.engine.fs.Scope"}
    assert definitions["pants.engine.fs.Explicit"]["members"] == {"name": ""}
    assert definitions[DIGEST]["members"] == {"fingerprint": "str"}
    inner = definitions["pants.core.steps.Options.EnvironmentAware"]
    assert inner["members"] == {"folder": "str"}
    assert definitions["pants.core.steps"]["members"]["helper"].startswith("(x: int")


def test_ancestors(release: dict[str, Any]) -> None:
    definitions = release["definitions"]
    assert definitions["pants.engine.fs.Paths"]["ancestors"] == ["pants.engine.fs.Base"]
    assert definitions["pants.engine.fs.Error"]["open"] is True
    assert "open" not in definitions["pants.engine.fs.Paths"]


def test_the_rules_on_the_way_from_a_given_type(release: dict[str, Any]) -> None:
    """From Inputs to find's Raw, by `read`: not by a test's rule, nor from what nobody gives."""
    rules = {n for n, d in release["definitions"].items() if d["kind"] == "rule"}
    assert rules == {"pants.core.steps.find", "pants.core.steps.read"}


def test_which_rules_run_processes(release: dict[str, Any]) -> None:
    runs = {name for name, each in release["definitions"].items() if each.get("runs")}
    assert runs == {"pants.core.steps.find"}


def test_what_pants_itself_gives(release: dict[str, Any]) -> None:
    assert set(release["ambient"]) == {
        "pants.core.steps.Options",
        "pants.engine.environment.EnvironmentName",
        "pants.engine.fs.Paths",
    }
