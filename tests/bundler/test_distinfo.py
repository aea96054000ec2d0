"""Python distributions by their metadata."""

from __future__ import annotations

import random

import pytest

from pants_plugin_minimg.bundler.inventory import distinfo
from pants_plugin_minimg.bundler.inventory.distinfo import Distribution

_METADATA = b"""Metadata-Version: 2.1
Name: Example.Tool
Version: 1.2.3
License: MIT
Classifier: License :: OSI Approved :: Apache Software License
Description-Content-Type: text/plain

Name: not-a-field
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/usr/lib/python3/dist-packages/tool-1.2.dist-info/METADATA", True),
        (b"/app/tool-1.2.egg-info/PKG-INFO", True),
        (b"/usr/lib/python3/dist-packages/tool-1.2.egg-info", True),
        (b"/app/tool-1.2.dist-info/RECORD", False),
        (b"/app/dist-info/METADATA", False),
        (b"/app/METADATA", False),
    ],
)
def test_metadata_is_known_by_its_path(path: bytes, expected: bool) -> None:
    assert distinfo.is_metadata(path) is expected


def test_name_version_and_licence_are_read_from_the_header_alone() -> None:
    assert distinfo.parse(_METADATA) == Distribution("Example.Tool", "1.2.3", "MIT")


def test_an_expression_goes_before_the_old_field() -> None:
    content = b"License-Expression: MIT OR Apache-2.0\n" + _METADATA
    found = distinfo.parse(content)
    assert found is not None and found.licence == "MIT OR Apache-2.0"


def test_a_whole_licence_in_the_field_gives_way_to_the_classifiers() -> None:
    content = _METADATA.replace(b"License: MIT\n", b"License: The text\n        of it all\n")
    found = distinfo.parse(content)
    assert found is not None and found.licence == "Apache Software License"


def test_unknown_is_no_licence() -> None:
    found = distinfo.parse(b"Name: a\r\nVersion: 1\r\nLicense: UNKNOWN\r\n")
    assert found == Distribution("a", "1", None)


@pytest.mark.parametrize(
    "content",
    [b"", b"Name: a\n", b"Version: 1\n", b"Name: a b\nVersion: 1\n", b"\nName: a\nVersion: 1\n"],
)
def test_other_files_are_no_metadata(content: bytes) -> None:
    assert distinfo.parse(content) is None


def test_any_bytes_are_read_or_refused() -> None:
    chance = random.Random(20260729)
    for _ in range(2000):
        damaged = bytearray(_METADATA)
        for _ in range(chance.randint(1, 10)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        found = distinfo.parse(bytes(damaged))
        assert found is None or (found.name and found.version)
