"""`lock` and `sources` as commands, against a signed archive on a local server."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gzip
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.commands import lock as cli_lock
from pants_plugin_minimg.bundler.debian import download, index, lockfile, locking, sources
from pants_plugin_minimg.bundler.debian.download import Patience, Unavailable
from pants_plugin_minimg.bundler.debian.index import Trust
from pants_plugin_minimg.bundler.debian.lockfile import Lock
from pants_plugin_minimg.bundler.debian.locking import Request
from pants_plugin_minimg.bundler.debian.sources import Source
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from tests import interrupts
from tests.bundler.debian import archive
from tests.bundler.debian.archive import Files, Key, Server, serving, stanza
from tests.requirements import program

QUICK = Patience(tries=3, idle=0.3, total=2.0, pause=0.0)
NOW = datetime.datetime(2025, 11, 9, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    made = archive.key(tmp_path_factory.mktemp("key"))
    yield made
    archive.forget(made.home)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


def _indexes(version: str = "1:2.39.5", **more: str) -> dict[str, bytes]:
    return {
        arch: archive.index(
            stanza("git", version, arch, Depends="libc6 (>= 2.36)", Source="git-core (9)"),
            stanza("libc6", "2.36-9", arch),
            stanza("ca-certificates", architecture="all"),
            *(stanza(name, architecture=arch, Depends=needs) for name, needs in more.items()),
        )
        for arch in ("amd64", "arm64")
    }


def _lock(key: Key, *mirrors: str, **fields: Any) -> Lock:
    known: dict[str, Any] = {
        "subject": "//sysroots:bookworm",
        "suites": ("bookworm",),
        "components": ("main",),
        "architectures": ("amd64", "arm64"),
        "packages": ("git",),
        "mirrors": mirrors,
        "sources": (),
        "trust": Trust(program("gpgv"), (key.ring,), NOW),
        "patience": QUICK,
    }
    return locking.lock(Request(**{**known, **fields}))


def _refused(key: Key, *mirrors: str, **fields: Any) -> str:
    with pytest.raises((MinimgError, Problems)) as caught:
        _lock(key, *mirrors, **fields)
    return str(caught.value)


def test_packages_are_locked_for_each_architecture(key: Key, server: Server) -> None:
    server.files = archive.suite(key, _indexes())
    found = _lock(key, server.base, packages=("git", "ca-certificates"))
    assert [(item.name, item.sysroot, item.architecture) for item in found.package] == [
        ("ca-certificates", "amd64", "all"),
        ("ca-certificates", "arm64", "all"),
        ("git", "amd64", "amd64"),
        ("git", "arm64", "arm64"),
        ("libc6", "amd64", "amd64"),
        ("libc6", "arm64", "arm64"),
    ]
    git = found.by_name["git", "arm64"]
    assert (git.version, git.source, git.depends) == ("1:2.39.5", "git-core 9", ("libc6",))
    assert git.path == "pool/main/g/git/git_2.39.5_arm64.deb"
    assert (git.size, git.installed, git.because) == (1000, 10, "asked for")
    assert found.by_name["libc6", "amd64"].source == "libc6 2.36-9"
    assert found.by_name["libc6", "amd64"].because == "needed by git"
    assert (found.origin, found.packages) == ("Debian", ("ca-certificates", "git"))
    assert found.timestamp == "20251108T161500Z"  # the Release's date and six hours
    assert server.base not in lockfile.render(found, "bookworm")


def test_the_same_archive_gives_the_same_lock_whatever_the_order(key: Key, server: Server) -> None:
    server.files = archive.suite(key, _indexes())
    one = _lock(key, server.base, packages=("git", "ca-certificates"))
    later = Trust(program("gpgv"), (key.ring,), NOW + datetime.timedelta(days=1))
    two = _lock(
        key,
        server.base,
        packages=("ca-certificates", "git"),
        architectures=("arm64", "amd64"),
        trust=later,
    )
    assert lockfile.render(one, "r") == lockfile.render(two, "r")


def test_a_suite_comes_from_the_first_mirror_that_has_it(key: Key, server: Server) -> None:
    server.files = {
        f"debian/{path}": content for path, content in archive.suite(key, _indexes()).items()
    }
    security = archive.suite(key, _indexes("1:2.39.6"), "bookworm-security")
    server.files.update({f"security/{path}": content for path, content in security.items()})
    found = _lock(
        key,
        f"{server.base}/debian/",
        f"{server.base}/security",
        suites=("bookworm", "bookworm-security"),
    )
    git = found.by_name["git", "amd64"]
    assert (git.version, git.suite) == ("1:2.39.6", "bookworm-security")
    assert found.by_name["libc6", "amd64"].suite == "bookworm"


def test_indexes_are_asked_for_by_hash_and_by_name_where_that_is_missing(
    key: Key, server: Server
) -> None:
    files = archive.suite(key, _indexes())
    server.files = files
    _lock(key, server.base)
    assert all("/by-hash/" in path for path in server.asked[1:])
    server.files = {path: content for path, content in files.items() if "/by-hash/" not in path}
    assert _lock(key, server.base).package


def test_a_release_without_by_hash_or_xz_is_enough(key: Key, server: Server) -> None:
    plain = {f"main/binary-{arch}/Packages": content for arch, content in _indexes().items()}
    packed = {f"{path}.gz": gzip.compress(content) for path, content in plain.items()}
    listed = archive.release({**plain, **packed}, Acquire_By_Hash="")
    server.files = {f"dists/bookworm/{path}": content for path, content in packed.items()}
    server.files["dists/bookworm/InRelease"] = key.sign(listed)
    assert len(_lock(key, server.base).package) == 4


def test_packages_for_all_architectures_may_have_an_index_of_their_own(
    key: Key, server: Server
) -> None:
    indexes = {**_indexes(), "all": archive.index(stanza("tzdata", architecture="all"))}
    server.files = archive.suite(key, indexes, Architectures="all amd64 arm64")
    assert _lock(key, server.base, packages=("tzdata",)).package[1].sysroot == "arm64"
    server.files = archive.suite(
        key,
        indexes,
        Architectures="all amd64 arm64",
        No_Support_for_Architecture_all="Packages",
    )
    assert "there is no package tzdata" in _refused(key, server.base, packages=("tzdata",))


def test_each_architecture_comes_from_the_first_mirror_that_has_it(
    key: Key, server: Server
) -> None:
    files = archive.suite(key, _indexes())
    for name, missing in (("archive", "binary-arm64"), ("ports", "binary-amd64")):
        gone = {files[path] for path in files if missing in path}
        kept = {path: content for path, content in files.items() if content not in gone}
        server.files.update({f"{name}/{path}": content for path, content in kept.items()})
    found = _lock(key, f"{server.base}/archive", f"{server.base}/ports")
    assert {item.sysroot for item in found.package} == {"amd64", "arm64"}
    message = _refused(key, f"{server.base}/archive")
    assert message.startswith("MINIMG-E024") and "for arm64" in message


def test_backports_are_of_the_same_origin_and_other_vendors_are_not(
    key: Key, server: Server
) -> None:
    server.files = archive.suite(key, _indexes())
    backports = archive.suite(
        key,
        _indexes("2:1", extra="git"),
        "bookworm-backports",
        Origin="Debian Backports",
        NotAutomatic="yes",
        ButAutomaticUpgrades="yes",
    )
    server.files.update(backports)
    suites = ("bookworm", "bookworm-backports")
    found = _lock(key, server.base, suites=suites, packages=("git", "extra"))
    assert found.origin == "Debian"
    assert found.by_name["git", "amd64"].version == "1:2.39.5"
    assert found.by_name["extra", "amd64"].suite == "bookworm-backports"
    server.files.update(archive.suite(key, _indexes(), "noble", Origin="Ubuntu"))
    message = _refused(key, server.base, suites=("bookworm", "noble"))
    assert message.startswith("MINIMG-E025") and "'Ubuntu'" in message and "'Debian'" in message


def test_a_timestamp_fills_the_mirrors_url_and_allows_an_old_state(
    key: Key, server: Server
) -> None:
    files = archive.suite(key, _indexes(), Valid_Until="Sat, 08 Nov 2025 23:00:00 UTC")
    server.files = {f"20251108T120000Z/{path}": content for path, content in files.items()}
    mirror = f"{server.base}/{{timestamp}}/"
    found = _lock(key, mirror, timestamp="20251108T120000Z")
    assert found.timestamp == "20251108T120000Z"
    message = _refused(key, f"{server.base}/20251108T120000Z")
    assert message.startswith("MINIMG-E025") and "out of date" in message
    # Without one it is now.
    assert "HTTP 404" in _refused(key, mirror)
    assert server.asked[-1].startswith("20251109T000000Z/")


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"suites": ("trixie",)}, "MINIMG-E024", "no mirror serves the suite trixie"),
        ({"components": ("contrib",)}, "MINIMG-E024", "no component contrib"),
        ({"architectures": ("riscv64",)}, "MINIMG-E024", "no architecture riscv64"),
        ({"packages": ("nothing",)}, "MINIMG-E026", "no package nothing"),
        ({"packages": ()}, "MINIMG-E018", "`packages` is empty"),
        ({"packages": ("git", "git")}, "MINIMG-E018", "twice"),
        ({"suites": ()}, "MINIMG-E018", "`suites` is empty"),
        ({"packages": ("GIT",)}, "MINIMG-E018", "names no package"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(
    key: Key, server: Server, fields: dict[str, Any], code: str, said: str
) -> None:
    server.files = archive.suite(key, _indexes())
    message = _refused(key, server.base, **fields)
    assert message.startswith(code) and said in message and "//sysroots:bookworm" in message


def test_what_is_missing_for_several_architectures_is_said_together(
    key: Key, server: Server
) -> None:
    server.files = archive.suite(key, _indexes(broken="nowhere"))
    lines = _refused(key, server.base, packages=("broken",)).splitlines()
    assert ["(amd64)" in lines[0], "(arm64)" in lines[1]] == [True, True]


def test_an_archive_with_another_key_is_refused(key: Key, server: Server, tmp_path: Path) -> None:
    other = archive.key(tmp_path, "other")
    try:
        server.files = archive.suite(other, _indexes())
    finally:
        archive.forget(other.home)
    message = _refused(key, server.base)
    assert message.startswith("MINIMG-E025") and "which no keyring has" in message


def test_a_mirror_that_serves_another_suite_is_passed_over(key: Key, server: Server) -> None:
    good = archive.suite(key, _indexes())
    other = archive.suite(key, _indexes(), "trixie", Suite="testing")
    server.files = {f"good/{path}": content for path, content in good.items()}
    server.files.update(
        {f"bad/{path.replace('trixie', 'bookworm')}": c for path, c in other.items()}
    )
    assert _lock(key, f"{server.base}/bad", f"{server.base}/good").package
    message = _refused(key, f"{server.base}/bad", f"{server.base}/none")
    assert message.startswith("MINIMG-E025")
    assert "codename 'trixie'" in message and "HTTP 404" in message


IN_RELEASE = "dists/bookworm/InRelease"


def _packages_path(files: Files) -> str:
    """The one that is asked for first for amd64."""
    content = files["dists/bookworm/main/binary-amd64/Packages.xz"]
    return f"dists/bookworm/main/binary-amd64/by-hash/SHA256/{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("odd", [503, 500, 429, "cut", "stuck"])
def test_a_passing_failure_is_tried_again(key: Key, server: Server, odd: object) -> None:
    server.files = archive.suite(key, _indexes())
    path = _packages_path(server.files)
    server.odd = {IN_RELEASE: [odd], path: [odd, odd]}
    assert _lock(key, server.base).package
    assert server.asked.count(IN_RELEASE) == 2 and server.asked.count(path) == 3


@pytest.mark.parametrize(
    ("odd", "said", "times"),
    [
        (503, "HTTP 503, 3 times", 3),
        (403, "HTTP 403", 1),
        ("cut", "cut short, 3 times", 3),
        ("stuck", "timed out, 3 times", 3),
        ("changed", "not what the Release file says", 1),
        ("slow", "not complete after", 1),
        ("file:///etc/passwd", "a redirect that is not followed", 1),
        ("ftp://127.0.0.1/x", "a redirect that is not followed", 1),
    ],
)
def test_a_lasting_failure_is_one_error_with_the_reason(
    key: Key, server: Server, odd: object, said: str, times: int
) -> None:
    server.files = archive.suite(key, _indexes())
    path = _packages_path(server.files)
    server.odd = {path: [odd] * 9}
    message = _refused(key, server.base)
    assert message.startswith("MINIMG-E024") and said in message and "\n" not in message
    assert server.asked.count(path) == times


def test_a_changed_release_file_is_refused(key: Key, server: Server) -> None:
    server.files = archive.suite(key, _indexes())
    content = server.files[IN_RELEASE]
    server.files[IN_RELEASE] = content.replace(b"Codename: bookworm", b"Codename: bookwurm")
    assert "the signature is bad" in _refused(key, server.base)


def test_a_redirect_to_another_server_is_followed(key: Key, server: Server) -> None:
    with serving(archive.suite(key, _indexes())) as real:
        server.odd = {IN_RELEASE: [f"{real.base}/{IN_RELEASE}"]}
        assert download.get(f"{server.base}/{IN_RELEASE}", 1 << 20, QUICK)


def test_more_than_was_announced_is_not_read(server: Server) -> None:
    server.files = {"a": b"x" * 1000}
    with pytest.raises(Unavailable, match="more than 999 bytes"):
        download.get(f"{server.base}/a", 999, QUICK)
    assert len(download.get(f"{server.base}/a", 1000, QUICK)) == 1000


@pytest.mark.parametrize(
    "url", ["ftp://a.test/x", "http://me:pw@127.0.0.1/x", "http://[", "file:///nowhere", "x"]
)
def test_a_url_that_is_not_served_is_a_reason_not_a_traceback(url: str) -> None:
    with pytest.raises(Unavailable):
        download.get(url, 100, QUICK)


def test_a_server_that_is_not_there_is_a_reason() -> None:
    with serving() as state:
        base = state.base
    with pytest.raises(Unavailable, match="3 times"):
        download.get(f"{base}/x", 100, QUICK)


def test_an_index_that_does_not_unpack_is_an_error(key: Key, server: Server) -> None:
    path = "main/binary-amd64/Packages.xz"
    listed = {path: b"this is no xz", "main/binary-arm64/Packages.xz": b""}
    server.files = {f"dists/bookworm/{name}": content for name, content in listed.items()}
    server.files[IN_RELEASE] = key.sign(archive.release(listed, Acquire_By_Hash=""))
    assert f"{path} is damaged" in _refused(key, server.base, architectures=("amd64",))


def test_an_index_that_unpacks_to_more_than_announced_is_an_error(key: Key, server: Server) -> None:
    files = archive.packed(_indexes())
    listed = {**files, "main/binary-amd64/Packages": b"short"}
    server.files = {f"dists/bookworm/{name}": content for name, content in files.items()}
    server.files[IN_RELEASE] = key.sign(archive.release(listed, Acquire_By_Hash=""))
    assert "unpacks to more than 5 bytes" in _refused(key, server.base)


def test_the_machines_sources_are_used_with_their_own_keys(key: Key, server: Server) -> None:
    server.files = archive.suite(key, _indexes())
    trust = Trust(program("gpgv"), None, NOW)
    suites = ("bookworm", "bookworm-updates")
    by_file = Source(server.base, suites, ("main",), (), (key.ring,))
    assert _lock(key, sources=(by_file,), trust=trust).package
    inline = Source(server.base, suites, ("main",), (), (), Path(key.armor).read_text())
    assert _lock(key, sources=(inline,), trust=trust).package
    wrong = Source(server.base, suites, ("main",), (), ("/nowhere.gpg",))
    assert "MINIMG-E025" in _refused(key, sources=(wrong,), trust=trust)


def test_the_machines_sources_of_two_vendors_for_one_suite_are_refused(
    key: Key, server: Server
) -> None:
    for folder, origin in (("debian", "Debian"), ("vendor", "Vendor")):
        files = archive.suite(key, _indexes(), Origin=origin)
        server.files.update({f"{folder}/{path}": content for path, content in files.items()})
    machine = [
        Source(f"{server.base}/{folder}", ("bookworm",), ("main",))
        for folder in ("debian", "vendor")
    ]
    message = _refused(key, sources=machine)
    assert message.startswith("MINIMG-E024") and "[minimg-debian].mirrors" in message
    assert "Debian at" in message and "Vendor at" in message
    assert _lock(key, sources=machine[:1]).package


def test_a_python_without_lzma_reads_gz(
    key: Key, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)  # type: ignore[misc]
    assert list(index._readers()) == [".gz", ""]


# The commands.


def _request(tmp: Path, key: Key, base: str, **fields: Any) -> str:
    known = {
        "version": 1,
        "resolve": "bookworm",
        "address": "//sysroots:bookworm",
        "suites": ["bookworm"],
        "components": ["main"],
        "architectures": ["amd64"],
        "packages": ["git"],
        "mirrors": [base],
        "apt": None,
        "keyrings": [key.ring],
        "gpgv": program("gpgv"),
        "lockfile": "bookworm.lock",
        "previous": None,
    }
    path = tmp / "request.json"
    path.write_text(json.dumps({**known, **fields}))
    return str(path)


def _run(*arguments: str) -> tuple[int, str]:
    """As the bundler's command line runs it."""
    parser = argparse.ArgumentParser()
    cli_lock.add_parser(parser.add_subparsers(dest="command", required=True))
    options = parser.parse_args(arguments)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            options.run(options)
        except (MinimgError, Problems) as error:
            return 2, str(error)
    return 0, errors.getvalue()


def test_the_command_writes_the_lock_and_what_changed(
    key: Key, server: Server, tmp_path: Path
) -> None:
    server.files = archive.suite(key, _indexes())
    out = tmp_path / "out"
    assert _run("lock", "--request", _request(tmp_path, key, server.base), "--out", str(out)) == (
        0,
        "",
    )
    written = (out / "lock.toml").read_bytes()
    assert written.startswith(b"# Written by `pants generate-lockfiles --resolve=bookworm`")
    assert len(lockfile.parse(written, "x").package) == 2
    assert json.loads((out / "changes.json").read_text()) == [
        "git: 1:2.39.5 added (amd64)",
        "libc6: 2.36-9 added (amd64)",
    ]
    server.files = archive.suite(key, _indexes("1:2.39.6"))
    request = _request(tmp_path, key, server.base, previous=str(out / "lock.toml"))
    again = tmp_path / "again"
    assert _run("lock", "--request", request, "--out", str(again))[0] == 0
    assert json.loads((again / "changes.json").read_text()) == ["git: 1:2.39.5 -> 1:2.39.6 (amd64)"]


def test_a_damaged_old_lock_is_replaced_and_said(key: Key, server: Server, tmp_path: Path) -> None:
    server.files = archive.suite(key, _indexes())
    (tmp_path / "old.lock").write_text("<<<<<<< HEAD\n")
    request = _request(tmp_path, key, server.base, previous=str(tmp_path / "old.lock"))
    assert _run("lock", "--request", request, "--out", str(tmp_path / "out"))[0] == 0
    lines = json.loads((tmp_path / "out/changes.json").read_text())
    assert "the old lock could not be read" in lines[0] and len(lines) == 3


def test_nothing_is_written_when_the_lock_fails(key: Key, server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out"
    request = _request(tmp_path, key, server.base)
    status, message = _run("lock", "--request", request, "--out", str(out))
    assert (status, message[:11]) == (2, "MINIMG-E024")
    assert not out.exists()


def test_who_interrupts_it_waits_for_no_mirror(key: Key, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with socket.create_server(("127.0.0.1", 0)) as mirror:
        base = f"http://127.0.0.1:{mirror.getsockname()[1]}"
        words = ("lock", "--request", _request(tmp_path, key, base), "--out", str(out))
        with subprocess.Popen(
            [sys.executable, "-m", "pants_plugin_minimg.bundler", *words],
            env={**os.environ, "no_proxy": "*"},
            stderr=subprocess.PIPE,
            preexec_fn=interrupts.heard,
        ) as running:
            connection, _ = mirror.accept()
            with connection:
                running.send_signal(signal.SIGINT)
                _, errors = running.communicate()
    assert (running.returncode, errors) == (130, b"")
    assert not out.exists()


@pytest.mark.parametrize(
    "fields",
    [{"version": 2}, {"suites": "bookworm"}, {"keyrings": None}, {"mirrors": 1}, {"packages": 0}],
)
def test_a_malformed_request_is_an_error(key: Key, tmp_path: Path, fields: dict[str, Any]) -> None:
    request = _request(tmp_path, key, "http://mirror.test", **fields)
    status, message = _run("lock", "--request", request, "--out", str(tmp_path / "out"))
    assert (status, message[:11]) == (2, "MINIMG-E001")


def test_a_malformed_timestamp_is_an_error(key: Key, tmp_path: Path) -> None:
    request = _request(tmp_path, key, "http://mirror.test")
    arguments: Sequence[str] = ("--request", request, "--out", "x", "--timestamp", "today")
    assert _run("lock", *arguments)[1].startswith("MINIMG-E018 today")


def test_an_archive_on_disk_is_locked_by_the_apt_sources(
    key: Key, server: Server, tmp_path: Path
) -> None:
    Server(files=archive.suite(key, _indexes())).write(tmp_path / "disk")
    (tmp_path / "apt").mkdir()
    line = f"deb [signed-by={key.ring}] file:{tmp_path}/disk bookworm main\n"
    (tmp_path / "apt/sources.list").write_text(line)
    request = _request(tmp_path, key, "", mirrors=[], apt=str(tmp_path / "apt"), keyrings=[])
    assert _run("lock", "--request", request, "--out", str(tmp_path / "out")) == (0, "")
    assert (tmp_path / "out/lock.toml").exists()


def test_the_machines_sources_are_written_as_json(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.test/d sid main\ndeb cdrom:x y z\n")
    out = tmp_path / "sources.json"
    assert _run("sources", "--apt", str(tmp_path), "--out", str(out)) == (0, "")
    document = json.loads(out.read_text())
    assert document["version"] == 1 and len(document["skipped"]) == 1
    assert sources.Source.from_json(document["sources"][0]).uri == "http://mirror.test/d"


def test_the_lock_can_be_read_without_the_archive_parser() -> None:
    program_text = (
        "import sys; import pants_plugin_minimg.bundler.debian.lockfile; "
        "sys.exit('debian_inspector' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program_text], check=False).returncode == 0
