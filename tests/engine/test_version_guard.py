"""Which versions of Pants the plugin takes, warns of and refuses."""

from __future__ import annotations

import ast
import importlib.util
import logging
import sys
from types import ModuleType

import pants.version
import pytest
from packaging.version import Version
from pants.base.exceptions import BackendConfigurationError

from pants_plugin_minimg import engine
from pants_plugin_minimg.engine import _version
from pants_plugin_minimg.engine._version import Form, form_for
from tests.engine import plugin_sources
from tests.engine.boundaries import PACKAGE


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ("2.16.0", None),
        ("2.17.0", None),
        ("2.17.1", Form.BY_GET),
        ("2.18.0", None),
        ("2.28.9", None),
        ("2.29.0.dev3", Form.BY_NAME),
        ("2.29.0", Form.BY_NAME),
        ("2.30.2", Form.BY_NAME),
        ("2.33.0", Form.BY_NAME),
        ("2.34.0", Form.BY_NAME),
        ("3.0.0", Form.BY_NAME),
    ],
)
def test_form(version: str, form: Form | None) -> None:
    assert form_for(Version(version).release) is form


@pytest.mark.parametrize("version", ["2.17.1", "2.29.0", "2.33.0", "2.33.5"])
def test_no_warning_of_a_version_that_is_known(version: str) -> None:
    assert _version.warning(version, Version(version).release) is None


@pytest.mark.parametrize("version", ["2.34.0", "2.34.0.dev1", "3.0.0"])
def test_a_warning_of_a_newer_version(version: str) -> None:
    text = _version.warning(version, Version(version).release)
    assert text is not None and version in text and "\n" not in text


def load_seam(monkeypatch: pytest.MonkeyPatch, version: str) -> ModuleType:
    """The seam as a Pants of that version would load it, beside the one that is loaded."""
    monkeypatch.setattr(pants.version, "PANTS_SEMVER", Version(version))
    for half in ("_by_get", "_by_name"):
        module = ModuleType(half)
        vars(module).update(__all__=["half"], half=half)
        monkeypatch.setitem(sys.modules, f"pants_plugin_minimg.engine.{half}", module)
    assert engine.__file__ is not None
    spec = importlib.util.spec_from_file_location("seam_of_another_version", engine.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", ["2.16.0", "2.17.0", "2.18.3", "2.28.0"])
def test_an_older_pants_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    with pytest.raises(BackendConfigurationError) as error:
        load_seam(monkeypatch, version)
    text = str(error.value)
    assert version in text and "2.17.1" in text and "2.29" in text and "\n" not in text


@pytest.mark.parametrize(
    ("version", "half", "warnings"),
    [("2.17.1", "_by_get", 0), ("2.29.0", "_by_name", 0), ("2.34.0", "_by_name", 1)],
)
def test_the_seam_takes_the_form_of_its_pants(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: str,
    half: str,
    warnings: int,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_seam(monkeypatch, version).half == half
    assert len(caplog.records) == warnings


def test_the_refusal_comes_before_any_other_module_of_the_plugin() -> None:
    """Another module may not even be importable under a Pants that is refused."""
    imports = [
        (node.module, [alias.name for alias in node.names])
        for node in ast.parse(plugin_sources.sources()["register.py"]).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
    ]
    assert imports[0] == (PACKAGE, ["engine"])
