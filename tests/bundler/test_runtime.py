"""Presets: the certificate bundle and the users' names."""

from __future__ import annotations

import base64
import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import preset_names
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.implicit import nss
from pants_plugin_minimg.bundler.planning import runtime
from pants_plugin_minimg.bundler.planning.runtime import BUNDLE, Generated, preset_entries
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.requirements import program, unavailable

from .rootfs import Root

SHARED = "/usr/share/ca-certificates"
LOCAL = "/usr/local/share/ca-certificates"


def pem(payload: bytes, label: str = "CERTIFICATE") -> bytes:
    """What looks like a certificate: PEM around a DER sequence."""
    body = textwrap.fill(base64.b64encode(b"\x30\x80" + payload).decode(), 64)
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def entries(root: Root, *names: str, user: str = "65532:65532") -> dict[bytes, Generated]:
    return {entry.path: entry for entry in preset_entries(names, root.sysroot(), user)}


def bundle(root: Root) -> bytes:
    content = entries(root, "ca-certificates")[BUNDLE].content
    assert content is not None
    return content


def problems(root: Root, *names: str, user: str = "65532:65532") -> list[MinimgError]:
    with pytest.raises(Problems) as caught:
        preset_entries(names, root.sysroot(), user)
    return list(caught.value.errors)


# Certificates.


def test_the_bundle_joins_the_packages_certificates_sorted_by_path(root: Root) -> None:
    root.file(f"{SHARED}/mozilla/b.crt", pem(b"b"))
    root.file(f"{SHARED}/mozilla/a.crt", pem(b"a"))
    root.file(f"{SHARED}/local/z.crt", pem(b"z"))
    root.file(f"{SHARED}/mozilla/README", b"no certificate")
    assert bundle(root) == pem(b"z") + pem(b"a") + pem(b"b")


def test_the_administrators_certificates_come_last(root: Root) -> None:
    root.file(f"{LOCAL}/a.crt", pem(b"local"))
    root.file(f"{SHARED}/mozilla/b.crt", pem(b"shared"))
    assert bundle(root) == pem(b"shared") + pem(b"local")


def test_a_certificate_without_a_newline_at_its_end_gets_one(root: Root) -> None:
    root.file(f"{SHARED}/a.crt", pem(b"a").rstrip(b"\n"))
    root.file(f"{SHARED}/b.crt", pem(b"b"))
    assert bundle(root) == pem(b"a") + pem(b"b")


def test_equal_certificates_are_in_the_bundle_once(root: Root) -> None:
    for name in ("a", "b"):
        root.file(f"{SHARED}/{name}.crt", pem(b"same"))
    root.link(f"{SHARED}/c.crt", "a.crt")
    assert bundle(root) == pem(b"same")


def test_links_to_certificates_count_and_circles_and_dangling_links_do_not(root: Root) -> None:
    root.file("/opt/ours.pem", pem(b"ours"))
    root.link(f"{LOCAL}/ours.crt", "/opt/ours.pem")
    root.link(f"{LOCAL}/gone.crt", "/opt/gone.pem")
    root.link(f"{LOCAL}/again", "..")
    root.link(f"{LOCAL}/circle.crt", "circle.crt")
    assert bundle(root) == pem(b"ours")


@pytest.mark.parametrize(
    "place",
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"],
)
def test_a_bundle_that_the_sysroot_has_is_taken_as_it_is(root: Root, place: str) -> None:
    own = b"# a comment\n" + pem(b"own") + b"\n" + pem(b"own", "TRUSTED CERTIFICATE")
    root.file(place, own)
    root.file(f"{SHARED}/a.crt", pem(b"a"))
    found = entries(root, "ca-certificates")
    assert found[BUNDLE].content == own
    assert found[BUNDLE].reason == f"preset ca-certificates, from {place}"


def test_the_bundle_is_a_plain_file_of_root(root: Root) -> None:
    root.file(f"{SHARED}/a.crt", pem(b"a"), mode=0o600)
    entry = entries(root, "ca-certificates")[BUNDLE]
    assert (entry.kind, entry.mode, entry.uid, entry.gid) == ("file", 0o644, 0, 0)


def test_openssl_finds_the_bundle_where_the_sysroots_openssl_looks(root: Root) -> None:
    root.file(f"{SHARED}/a.crt", pem(b"a"))
    assert list(entries(root, "ca-certificates")) == [BUNDLE]
    # As Debian's openssl package has it: dangling until somebody makes the bundle.
    root.link("/usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
    link = entries(root, "ca-certificates")[b"/usr/lib/ssl/cert.pem"]
    assert (link.kind, link.content) == ("link", BUNDLE)


def test_a_link_is_not_put_below_a_link(root: Root) -> None:
    root.file("/etc/ssl/certs/ca-certificates.crt", pem(b"a"))
    root.file("/opt/ssl/cert.pem")
    root.link("/usr/lib/ssl", "/opt/ssl")
    assert list(entries(root, "ca-certificates")) == [BUNDLE]


def test_no_certificates_is_an_error_that_names_the_package(root: Root) -> None:
    (problem,) = problems(root, "ca-certificates")
    assert problem.code == "MINIMG-E030"
    assert 'packages=[..., "ca-certificates"]' in str(problem)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no certificate in PEM form"),
        (b"\x30\x82\x01\x02", "no certificate in PEM form"),
        (pem(b"key", "PRIVATE KEY"), "it holds a PRIVATE KEY"),
        (pem(b"a") + pem(b"key", "RSA PRIVATE KEY"), "it holds a RSA PRIVATE KEY"),
        (pem(b"a")[:-10], "cut off"),
        (pem(b"a") + pem(b"b")[:40], "cut off"),
        (pem(b"a").replace(b"MI", b"!!"), "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
    ],
)
@pytest.mark.parametrize("place", [f"{SHARED}/a.crt", "/etc/ssl/certs/ca-certificates.crt"])
def test_what_is_no_certificate_is_refused(
    root: Root, place: str, content: bytes, expected: str
) -> None:
    root.file(place, content)
    (problem,) = problems(root, "ca-certificates")
    assert (problem.code, problem.subject) == ("MINIMG-E030", place)
    assert expected in problem.problem


def test_every_file_that_is_no_certificate_is_reported(root: Root) -> None:
    for name in ("a", "c"):
        root.file(f"{SHARED}/{name}.crt", b"nothing")
    root.file(f"{SHARED}/b.crt", pem(b"b"))
    assert [found.subject for found in problems(root, "ca-certificates")] == [
        f"{SHARED}/a.crt",
        f"{SHARED}/c.crt",
    ]


def test_certificates_without_end_are_refused(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_MAX_CERTIFICATES", 2 * len(pem(b"a")))
    for name in (b"a", b"b"):
        root.file(f"{SHARED}/{name.decode()}.crt", pem(name))
    assert bundle(root) == pem(b"a") + pem(b"b")
    root.file(f"{SHARED}/c.crt", pem(b"c"))
    (problem,) = problems(root, "ca-certificates")
    assert problem.subject == f"{SHARED}/c.crt"


def test_debians_own_script_makes_the_same_bytes(tmp_path: Path) -> None:
    script = program("update-ca-certificates")
    certificates = sorted(Path(SHARED).glob("**/*.crt"))
    root = Root(tmp_path / "root")
    for path in certificates:
        root.file(str(path), path.read_bytes())
    if not certificates:
        root.file(f"{SHARED}/a.crt", pem(b"a"))
    root.file(f"{SHARED}/zz.crt", pem(b"no newline")[:-1])
    root.file(f"{LOCAL}/zz.crt", pem(b"local"))
    below = root.on_disk(SHARED)
    names = sorted(os.fsencode(path.relative_to(below)) for path in below.glob("**/*.crt"))
    conf = tmp_path / "conf"
    conf.write_bytes(b"\n".join(names) + b"\n")
    out, hooks = tmp_path / "out", tmp_path / "hooks"
    out.mkdir()
    hooks.mkdir()
    command: list[str | Path] = [
        script,
        "--certsconf",
        conf,
        "--certsdir",
        below,
        "--etccertsdir",
        out,
    ]
    command += ["--localcertsdir", root.on_disk(LOCAL), "--hooksdir", hooks]
    subprocess.run(command, check=True, capture_output=True)
    print(f"{len(names)} certificates compared")
    assert bundle(root) == (out / "ca-certificates.crt").read_bytes()


def test_this_machines_bundle_is_taken_if_it_has_one() -> None:
    host = Path(os.fsdecode(BUNDLE))
    if not host.is_file():
        unavailable(f"there is no {host}")
    made = {
        entry.path: entry for entry in preset_entries(["ca-certificates"], DirSysroot(b"/"), "")
    }
    assert made[BUNDLE].content == host.read_bytes()


# Users.


def test_the_users_are_those_of_distroless_images(root: Root) -> None:
    root.directory("/")
    found = entries(root, "passwd")
    assert found[b"/etc/passwd"].content == (
        b"root:x:0:0:root:/root:/sbin/nologin\n"
        b"nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
        b"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
    )
    assert found[b"/etc/group"].content == b"root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
    home = found[b"/home/nonroot"]
    assert (home.kind, home.mode, home.uid, home.gid) == ("dir", 0o700, 65532, 65532)
    assert list(found) == [b"/etc/passwd", b"/etc/group", b"/home/nonroot"]


@pytest.mark.parametrize(
    ("user", "passwd", "group"),
    [
        ("1000", b"app:x:1000:1000:app:/home/app:/sbin/nologin\n", b"app:x:1000:\n"),
        ("1000:1001", b"app:x:1000:1001:app:/home/app:/sbin/nologin\n", b"app:x:1001:\n"),
        ("1000:0", b"app:x:1000:0:app:/home/app:/sbin/nologin\n", b""),
        ("1000:65532", b"app:x:1000:65532:app:/home/app:/sbin/nologin\n", b""),
        ("0:1000", b"", b"app:x:1000:\n"),
        ("65534", b"", b""),
        ("65532", b"", b""),
        ("nonroot:nonroot", b"", b""),
        ("2147483647", b"app:x:2147483647:2147483647:app:/home/app:/sbin/nologin\n", None),
    ],
)
def test_the_images_own_user_has_a_name(
    root: Root, user: str, passwd: bytes, group: bytes | None
) -> None:
    base, own = entries(root, "passwd"), entries(root, "passwd", user=user)
    for path, extra in ((b"/etc/passwd", passwd), (b"/etc/group", group)):
        before, after = base[path].content, own[path].content
        assert before is not None and after is not None and after.startswith(before)
        assert extra is None or after[len(before) :] == extra


@pytest.mark.parametrize(
    ("user", "homes"),
    [
        ("65532:65532", []),
        ("0:0", [("/root", 0, 0)]),
        ("root", [("/root", 0, 0)]),
        ("", [("/root", 0, 0)]),
        ("1000:1001", [("/home/app", 1000, 1001)]),
        ("nobody", []),
        ("someone", []),
    ],
)
def test_the_home_of_the_images_user_is_there_and_its_own(
    root: Root, user: str, homes: list[tuple[str, int, int]]
) -> None:
    found = [entry for entry in entries(root, "passwd", user=user).values() if entry.kind == "dir"]
    expected = sorted([*homes, ("/home/nonroot", 65532, 65532)])
    assert sorted((entry.path.decode(), entry.uid, entry.gid) for entry in found) == expected
    assert all(entry.mode == 0o700 and entry.content is None for entry in found)


@pytest.mark.parametrize("user", ["2147483648", "0:4294967296", "9" * 5000])
def test_a_number_that_no_user_has_is_refused(root: Root, user: str) -> None:
    (problem,) = problems(root, "passwd", user=user)
    assert problem.code == "MINIMG-E018"


# The presets altogether.


def test_an_unknown_preset_is_refused_with_the_list(root: Root) -> None:
    (problem,) = problems(root, "passwd", "timezones")
    assert problem.code == "MINIMG-E018"
    assert "'timezones'" in problem.problem
    assert all(name in problem.remedy for name in preset_names.NAMES)


def test_all_problems_are_reported_together(root: Root) -> None:
    found = problems(root, "nothing", "passwd", "ca-certificates", user="99999999999")
    assert [problem.code for problem in found] == ["MINIMG-E018", "MINIMG-E030", "MINIMG-E018"]


def test_the_order_and_the_number_of_names_do_not_matter(root: Root) -> None:
    root.file(f"{SHARED}/a.crt", pem(b"a"))
    one = list(preset_entries(["passwd", "ca-certificates", "passwd"], root.sysroot(), "7"))
    assert one == list(preset_entries(["ca-certificates", "passwd"], root.sysroot(), "7"))
    assert len({entry.path for entry in one}) == len(one)


def test_no_preset_makes_nothing(root: Root) -> None:
    assert list(preset_entries([], root.sysroot(), "")) == []


# /tmp and the configuration of name services.


def test_everybody_may_write_to_tmp_and_only_the_owner_may_delete(root: Root) -> None:
    (entry,) = preset_entries(["tmp"], root.sysroot(), "65532:65532")
    assert (entry.path, entry.kind, entry.mode) == (b"/tmp", "dir", 0o1777)
    assert (entry.uid, entry.gid) == (0, 0)


def test_local_files_come_before_dns(root: Root) -> None:
    (entry,) = preset_entries(["nsswitch"], root.sysroot(), "65532:65532")
    assert entry.path == b"/etc/nsswitch.conf" and entry.content is not None
    assert nss.parse(entry.content)["hosts"] == (b"files", b"dns")
    assert nss.modules(nss.parse(entry.content), entry.content, (2, 36)) == {}
