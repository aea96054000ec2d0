"""Signatures and Release files: which are believed, and why the others are not."""

from __future__ import annotations

import base64
import datetime
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.debian import release, signature
from pants_plugin_minimg.bundler.errors import MinimgError
from tests.bundler.debian import archive
from tests.bundler.debian.archive import Key
from tests.requirements import program

NOW = datetime.datetime(2025, 11, 9, tzinfo=datetime.timezone.utc)
TEXT = "Origin: Debian\n- a line that begins with a dash\nSuite: stable\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Key, Key]]:
    """The archive's, and one that nobody trusts."""
    folder = tmp_path_factory.mktemp("keys")
    out = (archive.key(folder), archive.key(folder, "other"))
    yield out
    for one in out:
        archive.forget(one.home)


def _refused(content: bytes, rings: list[str], keys: str = "") -> str:
    with pytest.raises(MinimgError) as caught:
        signature.verified(content, "InRelease", program("gpgv"), rings, keys)
    assert caught.value.code == "MINIMG-E025"
    return str(caught.value)


def test_the_signed_text_comes_back_as_it_was(keys: tuple[Key, Key]) -> None:
    signed = keys[0].sign(TEXT)
    assert b"\n- - a line" in signed
    found = signature.verified(signed, "InRelease", program("gpgv"), [keys[0].ring])
    assert found.rstrip() == TEXT.rstrip()


def test_a_keyring_may_be_in_ascii_armor_or_inline(keys: tuple[Key, Key]) -> None:
    signed, gpgv = keys[0].sign(TEXT), program("gpgv")
    assert signature.verified(signed, "x", gpgv, [keys[1].ring, keys[0].armor])
    assert signature.verified(signed, "x", gpgv, [], Path(keys[0].armor).read_text())


def test_one_good_signature_of_several_is_enough(keys: tuple[Key, Key], tmp_path: Path) -> None:
    one, two = keys[0].sign(TEXT), keys[1].sign(TEXT)
    blocks = [_packets(signed) for signed in (one, two)]
    head = one.partition(b"-----BEGIN PGP SIGNATURE-----")[0]
    signed = head + _armored(b"".join(blocks))
    gpgv = program("gpgv")
    assert signature.verified(signed, "x", gpgv, [keys[0].ring]).startswith("Origin")
    assert signature.verified(signed, "x", gpgv, [keys[1].ring]).startswith("Origin")
    assert "no keyring has" in _refused(signed, [_empty(tmp_path)])


def _packets(signed: bytes) -> bytes:
    block = signed.partition(b"-----BEGIN PGP SIGNATURE-----")[2].partition(b"-----END")[0]
    lines = [line for line in block.strip().split(b"\n") if line and line[:1] != b"="]
    return base64.b64decode(b"".join(lines))


def _armored(packets: bytes) -> bytes:
    body = base64.encodebytes(packets)
    return b"-----BEGIN PGP SIGNATURE-----\n\n" + body + b"-----END PGP SIGNATURE-----\n"


def _empty(tmp: Path) -> str:
    path = tmp / "empty.gpg"
    path.write_bytes(b"")
    return str(path)


def test_an_unsigned_file_is_refused(keys: tuple[Key, Key]) -> None:
    assert "is not signed" in _refused(TEXT.encode(), [keys[0].ring])
    assert "is not signed" in _refused(b"", [keys[0].ring])


def test_a_key_that_is_not_in_the_keyring_is_refused(keys: tuple[Key, Key]) -> None:
    message = _refused(keys[1].sign(TEXT), [keys[0].ring])
    assert "which no keyring has" in message and keys[0].ring in message


def test_a_changed_text_is_refused(keys: tuple[Key, Key]) -> None:
    signed = keys[0].sign(TEXT).replace(b"Suite: stable", b"Suite: stably")
    assert "signature is bad" in _refused(signed, [keys[0].ring])


@pytest.mark.parametrize("where", ["before", "after", "twice"])
def test_text_around_the_signed_text_is_refused(keys: tuple[Key, Key], where: str) -> None:
    signed = keys[0].sign(TEXT)
    content = {"before": b"Suite: evil\n" + signed, "after": signed + b"Suite: evil\n"}
    message = _refused(content.get(where, signed + signed), [keys[0].ring])
    assert "is not signed" in message or "nothing else" in message


def test_a_key_that_has_expired_is_refused(tmp_path: Path) -> None:
    then = ("--faked-system-time", "20200101T000000!")
    old = archive.key(tmp_path, "old", *then, expires="1d")
    try:
        assert "has expired" in _refused(old.sign(TEXT, *then), [old.ring])
    finally:
        archive.forget(old.home)


def test_a_signature_with_a_broken_hash_is_refused(keys: tuple[Key, Key]) -> None:
    # EdDSA keys refuse short hashes, so only what gpgv reports can be made here.
    status = [
        ["GOODSIG", "ABCD", "archive"],
        ["VALIDSIG", "F" * 40, "2025-11-08", "1", "0", "4", "0", "1", "2", "01", "F" * 40],
    ]
    with pytest.raises(MinimgError, match="hash that is broken"):
        signature._judge(status, "", "InRelease", [])
    status[1][8] = "8"
    signature._judge(status, "", "InRelease", [])
    with pytest.raises(MinimgError, match="is bad"):
        signature._judge([*status, ["BADSIG", "ABCD", "archive"]], "", "InRelease", [])


def test_without_gpgv_or_keyrings_nothing_is_believed(keys: tuple[Key, Key]) -> None:
    signed = keys[0].sign(TEXT)
    with pytest.raises(MinimgError, match="there is no gpgv"):
        signature.verified(signed, "x", None, [keys[0].ring])
    with pytest.raises(MinimgError, match="could not be run"):
        signature.verified(signed, "x", "/nowhere/gpgv", [keys[0].ring])
    assert "no keyring" in _refused(signed, [])
    assert "cannot be read" in _refused(signed, ["/nowhere/ring.gpg"])


def test_the_machines_keyrings_are_those_of_archives(tmp_path: Path) -> None:
    names = [
        "usr/share/keyrings/debian-archive-keyring.gpg",
        "usr/share/keyrings/debian-archive-removed-keys.gpg",
        "usr/share/keyrings/ubuntu-archive-keyring.gpg",
        "etc/apt/trusted.gpg",
        "etc/apt/trusted.gpg.d/a.asc",
        "etc/apt/trusted.gpg.d/b.gpg",
        "etc/apt/trusted.gpg.d/note.txt",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"key")
    (tmp_path / "etc/apt/trusted.gpg.d/empty.gpg").write_bytes(b"")
    found = [
        str(Path(path).relative_to(tmp_path)) for path in signature.default_keyrings(str(tmp_path))
    ]
    assert found == [names[0], names[2], names[3], names[4], names[5]]
    trusted = [str(tmp_path / name) for name in names[3:6]]
    assert signature.apt_keyrings(str(tmp_path)) == trusted


def _parsed(**fields: str) -> release.Release:
    return release.parse(archive.release({"main/binary-amd64/Packages": b"x"}, **fields), "R")


def test_a_release_file_is_read() -> None:
    found = _parsed(Valid_Until="Sat, 15 Nov 2025 11:15:00 +0100", Label="Debian", Version="12.9")
    assert (found.origin, found.suite, found.codename) == ("Debian", "stable", "bookworm")
    assert (found.label, found.version) == ("Debian", "12.9")
    assert found.date == datetime.datetime(2025, 11, 8, 10, 15, tzinfo=datetime.timezone.utc)
    assert found.valid_until == datetime.datetime(
        2025, 11, 15, 10, 15, tzinfo=datetime.timezone.utc
    )
    assert found.by_hash and found.architectures == ("amd64", "arm64")
    assert found.components == ("main",)
    assert found.files["main/binary-amd64/Packages"].size == 1


@pytest.mark.parametrize(
    ("fields", "priority"),
    [
        ({}, 500),
        ({"NotAutomatic": "yes"}, 1),
        ({"NotAutomatic": "yes", "ButAutomaticUpgrades": "yes"}, 100),
        ({"ButAutomaticUpgrades": "yes"}, 500),
    ],
)
def test_the_priority_of_a_suite_is_that_of_apt(fields: dict[str, str], priority: int) -> None:
    assert _parsed(**fields).priority == priority


@pytest.mark.parametrize(
    ("fields", "apart"),
    [
        ({"Architectures": "amd64"}, False),
        ({"Architectures": "all amd64"}, True),
        (
            {"Architectures": "all amd64", "No-Support-for-Architecture-all": "Packages"},
            False,
        ),
    ],
)
def test_packages_for_all_architectures_lie_where_the_release_says(
    fields: dict[str, str], apart: bool
) -> None:
    assert _parsed(**fields).all_is_apart == apart


def test_another_suite_than_asked_for_is_refused() -> None:
    found = _parsed()
    for name in ("bookworm", "stable"):
        release.check(found, name, "R", NOW, allow_expired=False)
    with pytest.raises(MinimgError, match="not of 'trixie'") as caught:
        release.check(found, "trixie", "R", NOW, allow_expired=False)
    assert caught.value.code == "MINIMG-E025"


def test_a_state_past_its_valid_until_is_refused_unless_it_may_be_old() -> None:
    found = _parsed(Valid_Until="Sun, 09 Nov 2025 00:00:00 UTC")
    release.check(found, "bookworm", "R", NOW, allow_expired=False)
    later = NOW + datetime.timedelta(seconds=1)
    with pytest.raises(MinimgError, match="out of date") as caught:
        release.check(found, "bookworm", "R", later, allow_expired=False)
    assert caught.value.code == "MINIMG-E025"
    release.check(found, "bookworm", "R", later, allow_expired=True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "Origin: Debian\n",
        "Origin: Debian\nDate: tomorrow\nSHA256:\n",
        f"Origin: Debian\nDate: {archive.DATE}\nSHA256:\n abc 1 main/x\n",
        f"Origin: Debian\nDate: {archive.DATE}\nSHA256:\n {'a' * 64} -1 main/x\n",
        f"Origin: Debian\nDate: {archive.DATE}\nSHA256:\n {'a' * 64} 1\n",
        f"Origin: A\nOrigin: B\nDate: {archive.DATE}\nSHA256:\n",
        "Origin: Debian\nDate: Sat, 99 Nov 9999999 10:15:00 UTC\nSHA256:\n",
    ],
)
def test_a_damaged_release_file_is_an_error(content: str) -> None:
    with pytest.raises(MinimgError) as caught:
        release.parse(content, "R")
    assert caught.value.code == "MINIMG-E025"


def test_no_damage_to_a_release_file_gives_anything_but_an_error() -> None:
    chance = random.Random(20261125)
    whole = archive.release({"main/binary-amd64/Packages": b"x"}, Valid_Until=archive.DATE)
    for _ in range(1500):
        content = list(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            place = chance.randrange(len(content))
            if chance.random() < 0.3:
                del content[place : place + chance.randrange(1, 40)]
            else:
                content[place] = chance.choice(": \n\t-+0aé\u2028")
        try:
            release.parse("".join(content), "R")
        except MinimgError as error:
            assert error.code == "MINIMG-E025" and "\n" not in str(error)
