"""The plugin's own source files, wherever the tests run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.engine.boundaries import PACKAGE


def package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def sources() -> dict[str, str]:
    """The text of each module, by its path in the package: `engine/_by_get.py`."""
    folder = package_folder()
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*.py"))
    }


def of(part: str) -> dict[str, str]:
    """The modules of one subpackage."""
    return {path: text for path, text in sources().items() if path.startswith(f"{part}/")}


def outside(*parts: str) -> dict[str, str]:
    """The modules of all but some subpackages."""
    return {path: text for path, text in sources().items() if path.split("/")[0] not in parts}
