from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import CODES, MinimgError, Problems

ROOT = Path(__file__).resolve().parents[2]


def test_a_message_is_one_line_with_code_subject_problem_and_remedy() -> None:
    error = MinimgError("MINIMG-E002", "/usr/bin/x", "it is not there", "Install it.")
    assert str(error) == "MINIMG-E002 /usr/bin/x: it is not there. Install it."


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(ValueError):
        MinimgError("MINIMG-E999", "x", "y")


def test_problems_keep_their_order_and_lose_their_repeats() -> None:
    one, two = MinimgError("MINIMG-E002", "a", "b"), MinimgError("MINIMG-E003", "a", "b")
    assert Problems([two, one, two]).errors == (two, one)


def test_every_code_is_documented_and_no_other() -> None:
    documented = re.findall(r"^## (MINIMG-E\d+)$", (ROOT / "docs/errors.md").read_text(), re.M)
    assert documented == list(CODES)


def test_every_code_is_raised_somewhere() -> None:
    used = set()
    for source in (ROOT / "pants_plugin_minimg").rglob("*.py"):
        if source.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.update(re.findall(r"MINIMG-E\d+", node.value))
    assert set(CODES) == used
