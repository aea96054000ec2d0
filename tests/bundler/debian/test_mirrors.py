"""The machine's apt sources, and which base URLs may serve a suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.debian import mirrors, sources
from pants_plugin_minimg.bundler.debian.sources import Found, Source
from pants_plugin_minimg.bundler.errors import MinimgError

WHEN = "20251108T101500Z"


def _apt(tmp: Path, **files: str) -> Found:
    (tmp / "sources.list.d").mkdir()
    for name, content in files.items():
        path = tmp / ("sources.list" if name == "main" else f"sources.list.d/{name}")
        path.write_text(content)
    return sources.load(str(tmp))


def test_a_line_is_read_with_and_without_options(tmp_path: Path) -> None:
    found = _apt(
        tmp_path,
        main="# deb http://old.test/debian bookworm main\n"
        "deb http://mirror.test/debian/ bookworm main contrib # the main one\n"
        "deb-src http://mirror.test/debian bookworm main\n"
        "deb\t[ arch=amd64,arm64 signed-by=/k/a.gpg trusted=yes ] https://m.test/d stable main\n"
        "deb file:/srv/debian sid main\n",
    )
    assert found.skipped == []
    assert found.sources == [
        Source("http://mirror.test/debian", ("bookworm",), ("main", "contrib")),
        Source("https://m.test/d", ("stable",), ("main",), ("amd64", "arm64"), ("/k/a.gpg",)),
        Source("file:///srv/debian", ("sid",), ("main",)),
    ]


def test_a_deb822_file_is_read_with_all_its_uris_and_suites(tmp_path: Path) -> None:
    content = (
        "Types: deb deb-src\n"
        "# a comment amid the fields\n"
        "URIs: http://one.test/debian\n http://two.test/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By: /k/debian.gpg\n"
        "\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.test/debian\nSuites: sid\nComponents: main\n"
        "\n"
        "Types: deb-src\nURIs: http://src.test/debian\nSuites: sid\nComponents: main\n"
    )
    found = _apt(tmp_path, **{"debian.sources": content})
    suites = ("bookworm", "bookworm-updates")
    assert found.sources == [
        Source(f"http://{host}.test/debian", suites, ("main",), (), ("/k/debian.gpg",))
        for host in ("one", "two")
    ]
    assert found.skipped == []


def test_an_inline_key_is_taken_out_of_its_field(tmp_path: Path) -> None:
    content = (
        "Types: deb\nURIs: http://a.test\nSuites: sid\nComponents: main\nSigned-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n =abcd\n"
        " -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    [source] = _apt(tmp_path, **{"a.sources": content}).sources
    assert source.keyrings == ()
    assert source.keys == (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINB\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )


def test_files_are_read_in_the_order_of_apt_and_others_not_at_all(tmp_path: Path) -> None:
    line = "deb http://{}.test sid main\n"
    found = _apt(
        tmp_path,
        **{
            "main": line.format("first"),
            "b.list": line.format("third"),
            "a.list": line.format("second"),
            "c.list.disabled": line.format("never"),
            "odd name.list": line.format("never"),
        },
    )
    hosts = [source.uri for source in found.sources]
    assert hosts == ["http://first.test", "http://second.test", "http://third.test"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("deb cdrom:[Debian]/ bookworm main", "only http"),
        ("deb mirror+file:/etc/mirrors bookworm main", "only http"),
        ("deb http://me:secret@a.test sid main", "user name"),
        ("deb http://a.test ./", "without suites"),
        ("deb http://a.test sid", "no component"),
        ("deb http://a.test $(ARCH) main", "variables"),
        ("deb [signed-by=0123ABCD] http://a.test sid main", "fingerprint"),
        ("deb http://a.test", "not a line"),
        ("nonsense", "not a line"),
    ],
)
def test_a_source_of_no_use_is_skipped_with_the_reason(tmp_path: Path, line: str, why: str) -> None:
    found = _apt(tmp_path, main=f"{line}\ndeb http://good.test sid main\n")
    assert [source.uri for source in found.sources] == ["http://good.test"]
    [reason] = found.skipped
    assert why in reason and "sources.list:1" in reason and "secret" not in reason


def test_a_machine_without_apt_has_no_sources(tmp_path: Path) -> None:
    assert sources.load(str(tmp_path / "none")) == Found()


def test_a_source_comes_back_from_json() -> None:
    source = Source("http://a.test", ("sid",), ("main",), ("amd64",), ("/k",), "armor")
    assert Source.from_json(source.to_json()) == source


def _urls(
    suite: str, machine: list[Source] | None = None, option: tuple[str, ...] = ()
) -> list[str]:
    found = mirrors.candidates(option, machine or [], suite, ["main"], WHEN, "//:bookworm")
    return [mirror.url for mirror in found]


def test_the_option_is_taken_in_its_order_whatever_the_suite() -> None:
    option = ("http://b.test/debian/", "http://a.test/{timestamp}", "http://b.test/debian/")
    machine = [Source("http://c.test", ("bookworm",), ("main",))]
    assert _urls("bookworm", machine, option) == [
        "http://b.test/debian",
        f"http://a.test/{WHEN}",
    ]


def test_only_a_mirror_with_a_timestamp_shows_an_earlier_time() -> None:
    option = ("http://a.test", "http://b.test/{timestamp}/")
    found = mirrors.candidates(option, [], "sid", ["main"], WHEN, "x")
    assert [mirror.snapshot for mirror in found] == [False, True]


def test_the_machines_sources_come_by_suite_then_family_then_alias() -> None:
    machine = [
        Source("http://alias.test", ("stable",), ("main",)),
        Source("http://family.test", ("bookworm",), ("main",)),
        Source("http://exact.test", ("bookworm", "bookworm-security"), ("main",)),
        Source("http://family.test", ("bookworm-updates",), ("main",)),
        Source("http://contrib.test", ("bookworm-security",), ("contrib",)),
        Source("http://noble.test", ("noble", "noble-updates"), ("main",)),
    ]
    assert _urls("bookworm-security", machine) == [
        "http://exact.test",
        "http://family.test",
        "http://alias.test",
    ]


def test_an_ubuntu_machine_is_no_mirror_for_bookworm() -> None:
    machine = [Source("http://ubuntu.test", ("noble", "noble-security"), ("main",))]
    with pytest.raises(MinimgError) as caught:
        _urls("bookworm", machine)
    assert caught.value.code == "MINIMG-E024"
    assert "[minimg-debian].mirrors" in str(caught.value) and "bookworm" in str(caught.value)


@pytest.mark.parametrize("url", ["a.test/debian", "ftp://a.test", "http://", "http://[", "file:"])
def test_a_mirror_that_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(MinimgError) as caught:
        _urls("bookworm", option=(url,))
    assert caught.value.code == "MINIMG-E018"


@pytest.mark.parametrize("timestamp", ["now", "2025-11-08", "20251108T101500"])
def test_a_timestamp_of_another_form_is_refused(timestamp: str) -> None:
    with pytest.raises(MinimgError):
        mirrors.check_timestamp(timestamp)
    assert mirrors.check_timestamp(WHEN) == WHEN


def test_a_packages_url_is_below_the_base() -> None:
    path = "pool/main/g/g++/g++_1.0~rc1+b1_amd64.deb"
    assert mirrors.url("http://a.test/debian", path) == f"http://a.test/debian/{path}"
