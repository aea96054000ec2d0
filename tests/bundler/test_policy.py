"""What an image's own fields forbid: libraries, and size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import sizes
from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.planning import policy
from pants_plugin_minimg.bundler.rendering.imagespec import Budget
from tests.bundler.images import file, image, put, with_parents

from .implied import Bench
from .rootfs import Root


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    bench = Bench(root, tmp_path)
    bench.library("libdeep.so.2")
    bench.library("libx.so.1", b"libdeep.so.2", b"libc.so.6")
    bench.program("/usr/bin/tool", b"libx.so.1")
    return bench


@pytest.mark.parametrize(
    "allowed", [None, ["libx.so.1", "libdeep.so.2", "libc.so.6"], ["lib[xd]*.so.?", "libc.so.*"]]
)
def test_libraries_that_are_listed_are_fine(bench: Bench, allowed: list[str] | None) -> None:
    assert bench.errors(allowed_libraries=allowed) == []


def test_each_library_that_is_not_is_told_with_who_needs_it(bench: Bench) -> None:
    first, second = bench.errors(allowed_libraries=["libc.so.6"])
    assert {first.code, second.code} == {"MINIMG-E036"}
    assert "has no libx.so.1, which is needed by /usr/bin/tool" in first.problem
    assert "needed by /lib/tri/libx.so.1, for /usr/bin/tool" in second.problem
    assert 'add "libdeep.so.2"' in second.remedy


def test_an_empty_list_allows_none_and_the_loader_is_no_library(bench: Bench) -> None:
    assert len(bench.errors(allowed_libraries=[])) == 3


ENTRIES = [Entry(b"/big", "file", size=3000), Entry(b"/small", "file", size=10)]
SIZES: dict[str, Any] = {"size_on_disk": 3010, "size_on_wire": 900}


@pytest.mark.parametrize(
    ("budget", "field"),
    [
        (Budget(3009, None), "max_size"),
        (Budget(None, 899), "max_wire_size"),
        (Budget(3010, 900), None),
        (Budget(), None),
    ],
)
def test_more_than_the_budget_is_an_error(budget: Budget, field: str | None) -> None:
    errors = list(policy.sizes(budget, "a:b", SIZES, ENTRIES, []))
    assert [error.code for error in errors] == ["MINIMG-E037"] * (field is not None)
    assert field is None or f"`{field}` allows" in errors[0].problem


def test_the_largest_files_are_named_as_they_are_in_the_image() -> None:
    packed = [{"path": "/big", "outcome": "packed", "packed": 5}]
    (error,) = policy.sizes(Budget(1, None), "a:b", SIZES, ENTRIES, packed)
    assert "the largest files: /small 10 B, /big 5 B" in error.problem


def test_an_image_over_its_budget_leaves_nothing(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"x" * 2000)
    entries = with_parents([file(b"/hello", sha, 0o755)])
    with pytest.raises(Problems, match="MINIMG-E037 tools/hello.tar: the image has 2.00 kB"):
        image(tmp_path, entries, budget={"max_size": "1kB"})
    assert not (tmp_path / "image.tar").exists() and not (tmp_path / "image").exists()


@pytest.mark.parametrize(
    ("written", "count"),
    [("1B", 1), ("20MB", 20_000_000), ("1.5 GiB", 3 << 29), ("512 kB", 512_000), ("2KiB", 2048)],
)
def test_sizes(written: str, count: int) -> None:
    assert sizes.parse(written) == count


@pytest.mark.parametrize("written", ["", "20", "20mb", "MB", "-1MB", "1e3B", "1 000 kB", "1MB\n"])
def test_what_is_no_size(written: str) -> None:
    with pytest.raises(ValueError):
        sizes.parse(written)
