"""docs/architecture.md names the folders and the files that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLER = ROOT / "pants_plugin_minimg/bundler"
FOLDERS = sorted(path.parent.name for path in BUNDLER.glob("*/__init__.py"))


def text() -> str:
    return (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def rows() -> Iterator[tuple[str, str]]:
    """Each row of the table of folders, below the folder that it belongs to."""
    folder = ""
    for line in text().splitlines():
        found = re.match(r"\| \*\*`(\w+)/`\*\*", line)
        folder = found[1] if found else folder
        if folder and line.startswith("| "):
            yield folder, line


def modules(words: str) -> list[str]:
    return re.findall(r"`(\w+\.py)`", words)


def test_every_folder_has_its_row() -> None:
    assert sorted({folder for folder, _ in rows()}) == FOLDERS


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_files_of_a_row_are_in_its_folder(folder: str) -> None:
    named = [name for below, line in rows() if below == folder for name in modules(line)]
    assert [name for name in named if not (BUNDLER / folder / name).exists()] == []
    assert len(named) == len(set(named))


def test_what_lies_beside_the_folders_is_named() -> None:
    (paragraph,) = re.findall(r"^Beside the folders lie .*?\n\n", text(), re.M | re.S)
    own = {path.name for path in BUNDLER.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert set(modules(paragraph)) == own
