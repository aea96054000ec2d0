from __future__ import annotations

import random

import pytest

from pants_plugin_minimg.bundler.text import escaped, path_bytes, text


@pytest.mark.parametrize(
    ("path", "escaped"),
    [
        (b"/usr/bin/git", "/usr/bin/git"),
        ("/opt/größe".encode(), "/opt/größe"),
        (b"/opt/\xff", "/opt/\\xff"),
        (b"/opt/\\xff", "/opt/\\\\xff"),
        (b"\\\\", "\\\\\\\\"),
        (b"", ""),
        (b"/a\nb\x00\x7f", "/a\\x0ab\\x00\\x7f"),
        ("/\u0085\u2028".encode(), "/\\xc2\\x85\\xe2\\x80\\xa8"),
    ],
)
def test_a_path_reads_as_text_and_comes_back(path: bytes, escaped: str) -> None:
    assert text(path) == escaped
    assert path_bytes(escaped) == path


def test_any_bytes_come_back() -> None:
    chance = random.Random(20261124)
    alphabet = b"ab\\x/f0\xff\xc3\xa4\n"
    for _ in range(5000):
        path = bytes(chance.choice(alphabet) for _ in range(chance.randrange(12)))
        assert path_bytes(text(path)) == path
        assert len(text(path).splitlines()) <= 1


@pytest.mark.parametrize("escaped", ["\\", "a\\z", "\\x", "\\xf", "\\xzz"])
def test_an_escape_that_text_does_not_write_is_refused(escaped: str) -> None:
    with pytest.raises(ValueError):
        path_bytes(escaped)


@pytest.mark.parametrize("path", ["/usr/bin/git", "/opt/a\\xff", "/opt/größe"])
def test_a_field_s_value_comes_back_as_its_bytes(path: str) -> None:
    assert path_bytes(escaped(path)) == path.encode()
