"""What maintainer scripts declare, in the forms that Debian's scripts have."""

from __future__ import annotations

import pytest

from pants_plugin_minimg.bundler.debian.maintscripts import (
    Alternative,
    Diversion,
    alternatives,
    diversions,
)

AWK = Alternative(b"/usr/bin/awk", b"awk", b"/usr/bin/mawk", 5)


@pytest.mark.parametrize(
    "script",
    [
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5",
        "\tupdate-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 || true",
        "/usr/bin/update-alternatives --install '/usr/bin/awk' \"awk\" /usr/bin/mawk 5",
        "if [ x ]; then update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5; fi",
        "update-alternatives \\\n --install \\\n /usr/bin/awk awk \\\n  /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 2>/dev/null",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 >/dev/null 2>&1",
        "update-alternatives --force --install /usr/bin/awk awk /usr/bin/mawk 5 # it's so",
    ],
)
def test_an_alternative_is_found(script: str) -> None:
    assert alternatives([f"#!/bin/sh\nset -e\n{script}\nexit 0\n".encode()]) == [AWK]


@pytest.mark.parametrize(
    "script",
    [
        "# update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/$i awk /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk $p",
        "update-alternatives --install usr/bin/awk awk /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/../awk awk /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/awk a/wk /usr/bin/mawk 5",
        "update-alternatives --remove awk /usr/bin/mawk",
        "echo update-alternatives-like --install /usr/bin/awk awk /usr/bin/mawk 5",
        "update-alternatives --install '/usr/bin/awk awk /usr/bin/mawk 5",
        "update-alternatives --install /usr/bin/awk awk `pwd`/mawk 5",
    ],
)
def test_what_is_not_constant_is_not_taken(script: str) -> None:
    assert alternatives([script.encode()]) == []


def test_slaves_belong_to_their_alternative() -> None:
    script = b"""update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
        --slave /usr/bin/nawk nawk /usr/bin/mawk \\
        --slave /usr/share/man/$1 x /y \\
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz
"""
    (found,) = alternatives([script])
    assert found.slaves == (
        (b"/usr/bin/nawk", b"nawk", b"/usr/bin/mawk"),
        (b"/usr/share/man/man1/awk.1.gz", b"awk.1.gz", b"/usr/share/man/man1/mawk.1.gz"),
    )
    assert Alternative.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("call", "target", "package"),
    [
        ("--package me --add --rename --divert /bin/sh.real /bin/sh", b"/bin/sh.real", "me"),
        ("--add --rename --divert=/bin/sh.real /bin/sh", b"/bin/sh.real", "me"),
        ("--package other --divert /bin/sh.real --add /bin/sh", b"/bin/sh.real", "other"),
        ("--package $DPKG_MAINTSCRIPT_PACKAGE --add /bin/sh", b"/bin/sh.distrib", "me"),
        ("--local --no-rename --add /bin/sh 2>/dev/null", b"/bin/sh.distrib", None),
        ("/bin/sh", b"/bin/sh.distrib", "me"),
    ],
)
def test_a_diversion_is_found(call: str, target: bytes, package: str | None) -> None:
    (found,) = diversions([f"dpkg-divert {call}\n".encode()], "me")
    assert found == Diversion(b"/bin/sh", target, package)
    assert Diversion.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "call",
    [
        "--remove /bin/sh",
        "--package me --remove --rename --divert /bin/sh.real /bin/sh",
        "--list /bin/sh",
        "--truename /bin/sh",
        "--add $file",
        "--add /bin/sh --divert $file",
        "--add /bin/sh /bin/bash",
        "--add bin/sh",
        "--add",
    ],
)
def test_other_calls_divert_nothing(call: str) -> None:
    assert diversions([f"dpkg-divert {call}\n".encode()], "me") == []


def test_scripts_that_are_no_text_declare_nothing() -> None:
    assert alternatives([b"\x7fELF\0\xff update-alternatives \xff'"]) == []
