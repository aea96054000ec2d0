"""Name services: which modules of glibc an image gets, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.implicit import nss

from . import implied
from .elf_builder import GLIBC, MUSL, Spec, build
from .implied import LIB, Bench
from .rootfs import Root

CONFIGURATION = "/etc/nsswitch.conf"
OLD, NEW = (2, 31), (2, 36)


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    return Bench(root, tmp_path)


@pytest.fixture
def old(root: Root, tmp_path: Path) -> Bench:
    bench = Bench(root, tmp_path, b"2.31")
    bench.library("libnss_files.so.2", b"libc.so.6")
    bench.library("libnss_dns.so.2", b"libresolv.so.2", b"libc.so.6")
    bench.library("libresolv.so.2", b"libc.so.6", imports=[b"gethostbyname_r"])
    return bench


def modules(bench: Bench, **fields: object) -> list[str]:
    found = implied.entries(bench.plan(**fields))
    return [path[len(LIB) :] for path in found if path.startswith(LIB + "libnss_")]


# The configuration.


def test_the_configuration_is_read_as_glibc_reads_it() -> None:
    content = (
        b"# passwd: no\n"
        b"passwd:files  systemd # home\n"
        b"  group : files [SUCCESS=merge] systemd\n"
        b"hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns files\n"
        b"rpc: files [ NOTFOUND = return ] db[!UNAVAIL=return]nis\n"
        b"nonsense\n"
        b"shadow: ../evil files a/b\n"
        b"networks:\n"
        b"services: db\n"
        b"services: files"
    )
    assert nss.parse(content) == {
        "passwd": (b"files", b"systemd"),
        "group": (b"files", b"systemd"),
        "hosts": (b"files", b"mdns4_minimal", b"dns"),
        "rpc": (b"files", b"db", b"nis"),
        "shadow": (b"files",),
        "networks": (),
        "services": (b"files",),
    }


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff:\xff", b":::\n:", b"hosts" * 10000, b"\n" * 9999]
)
def test_a_configuration_that_makes_no_sense_asks_for_nothing(content: bytes) -> None:
    assert not nss.modules(["hosts"], content + b"\nhosts: files", NEW)


def test_files_and_dns_are_part_of_newer_libraries() -> None:
    content = b"hosts: files dns\npasswd: files sss\n"
    assert nss.modules(["hosts", "passwd"], content, (2, 34)) == {b"libnss_sss.so.2": "passwd"}
    assert list(nss.modules(["hosts", "passwd"], content, (2, 33))) == [
        b"libnss_files.so.2",
        b"libnss_dns.so.2",
        b"libnss_sss.so.2",
    ]


def test_without_a_line_glibc_has_services_of_its_own() -> None:
    assert list(nss.modules(["passwd"], None, OLD)) == [b"libnss_files.so.2"]
    assert sorted(nss.modules(["hosts"], b"passwd: sss", OLD)) == [
        b"libnss_dns.so.2",
        b"libnss_files.so.2",
    ]
    assert not nss.modules(["initgroups", "publickey"], None, OLD)


def test_compat_asks_for_the_services_behind_it() -> None:
    content = b"passwd: compat\npasswd_compat: sss\n"
    assert list(nss.modules(["passwd"], content, NEW)) == [
        b"libnss_compat.so.2",
        b"libnss_sss.so.2",
    ]
    assert list(nss.modules(["passwd"], b"passwd: compat", NEW)) == [b"libnss_compat.so.2"]


@pytest.mark.parametrize(
    ("function", "database"),
    [
        (b"getaddrinfo", "hosts"),
        (b"getaddrinfo", "services"),
        (b"gethostbyname2_r", "hosts"),
        (b"getpwuid_r", "passwd"),
        (b"getgrouplist", "initgroups"),
        (b"getservbyport", "services"),
        (b"ether_hostton", "ethers"),
        (b"innetgr", "netgroup"),
    ],
)
def test_functions_are_known_by_their_database(function: bytes, database: str) -> None:
    assert database in nss.FUNCTIONS[function]


# In an image.


def test_a_newer_library_without_configuration_needs_no_module(bench: Bench) -> None:
    bench.library("libnss_systemd.so.2")
    bench.root.file(CONFIGURATION, b"passwd: files systemd\n")
    bench.program(imports=[b"getpwnam", b"getaddrinfo"])
    assert modules(bench) == []


def test_the_configuration_of_the_image_brings_modules_with_the_reason(bench: Bench) -> None:
    bench.library("libnss_systemd.so.2", b"libcap.so.2")
    bench.library("libcap.so.2")
    bench.root.file(CONFIGURATION, b"passwd: files systemd\nhosts: files resolve\n")
    bench.program(imports=[b"getpwnam"])
    found = implied.entries(bench.plan(include=[CONFIGURATION]))
    assert found[LIB + "libnss_systemd.so.2"].reasons == [
        "needed by /etc/nsswitch.conf as libnss_systemd.so.2 for getpwnam in /usr/bin/tool"
    ]
    assert LIB + "libcap.so.2" in found


@pytest.mark.parametrize("pattern", ["/etc/*.conf", "/etc", "/**/nsswitch.conf"])
def test_a_glob_that_names_the_configuration_counts(bench: Bench, pattern: str) -> None:
    bench.library("libnss_sss.so.2")
    bench.root.file(CONFIGURATION, b"passwd: sss\n")
    bench.program(imports=[b"getpwnam"])
    assert modules(bench, include=[pattern]) == ["libnss_sss.so.2"]
    assert modules(bench, include=[pattern], exclude=[CONFIGURATION]) == []


def test_a_configuration_of_the_build_counts_more_than_that_of_the_sysroot(bench: Bench) -> None:
    for service in ("own", "theirs"):
        bench.library(f"libnss_{service}.so.2")
    bench.root.file(CONFIGURATION, b"passwd: theirs\n")
    folder = bench.tmp_path / "made"
    folder.mkdir()
    (folder / "conf").write_bytes(b"passwd: own\n")
    tree = {"root": str(folder), "origin": "//:c", "role": "file", "path": CONFIGURATION}
    bench.program(imports=[b"getpwnam"])
    assert modules(bench, trees=[tree]) == ["libnss_own.so.2"]


def test_a_program_that_asks_nobody_gets_no_module(bench: Bench) -> None:
    bench.library("libnss_sss.so.2")
    bench.root.file(CONFIGURATION, b"passwd: sss\nhosts: sss\n")
    bench.program(imports=[b"getservbyname"])
    assert modules(bench, include=[CONFIGURATION]) == []


def test_the_functions_that_a_library_uses_count(bench: Bench) -> None:
    bench.library("libnss_sss.so.2")
    bench.library("libuser.so.1", b"libc.so.6", imports=[b"getgrgid_r"])
    bench.root.file(CONFIGURATION, b"group: sss\n")
    bench.program("/usr/bin/tool", b"libuser.so.1")
    found = implied.entries(bench.plan(include=[CONFIGURATION]))
    assert "libuser.so.1" in found[LIB + "libnss_sss.so.2"].reasons[0]


def test_a_module_that_the_sysroot_has_not_is_a_line_in_the_log(bench: Bench) -> None:
    bench.root.file(CONFIGURATION, b"passwd: files sss\n")
    bench.program(imports=[b"getpwnam"])
    plan = bench.plan(include=[CONFIGURATION])
    assert [line for line in plan.log if "nss" in line] == [
        "libnss_sss.so.2 is not in the sysroot: needed by /etc/nsswitch.conf as libnss_sss.so.2 "
        "for getpwnam in /usr/bin/tool."
    ]


def test_name_services_can_be_switched_off(old: Bench) -> None:
    old.program(imports=[b"getaddrinfo"])
    assert modules(old, nss=False) == []


def test_an_older_library_needs_its_modules_without_any_configuration(old: Bench) -> None:
    old.program(imports=[b"getaddrinfo"])
    plan = old.plan()
    found = implied.entries(plan)
    assert found[LIB + "libnss_dns.so.2"].reasons == [
        "needed by the C library as libnss_dns.so.2 for getaddrinfo in /usr/bin/tool"
    ]
    for name in ("libnss_files.so.2", "libresolv.so.2"):
        assert LIB + name in found
    old.program(imports=[b"getpwnam"])
    assert modules(old) == ["libnss_files.so.2"]


def test_what_the_resolver_and_modules_use_is_no_reason(old: Bench) -> None:
    old.program("/usr/bin/tool", b"libresolv.so.2")
    assert modules(old) == []


def test_modules_are_looked_for_by_the_c_library(old: Bench) -> None:
    old.root.elf("/opt/own/libnss_files.so.2", soname=b"libnss_files.so.2")
    old.program(imports=[b"getpwnam"], runpath=b"/opt/own")  # which libc does not inherit
    assert "/opt/own/libnss_files.so.2" not in implied.entries(old.plan())
    old.program(imports=[b"getpwnam"], rpath=b"/opt/own")  # which it does
    assert "/opt/own/libnss_files.so.2" in implied.entries(old.plan())


def test_programs_without_glibc_get_no_module(old: Bench) -> None:
    old.root.elf(MUSL.decode())
    old.file("/usr/bin/tool", build(Spec(interp=MUSL, imports=[b"getpwnam"])))
    assert modules(old) == []
    old.file("/usr/bin/tool", build(Spec(dynamic=False, e_type=2)))
    assert modules(old) == []
    old.file("/usr/bin/tool", build(Spec(interp=GLIBC, imports=[b"getpwnam"])))  # no libc.so
    assert modules(old) == []


PROGRAM = r"""
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
int main(void) {
  struct passwd *entry = getpwnam("mary");
  if (entry == NULL) return 3;
  printf("%s\n", entry->pw_dir);
  return 0;
}
"""
MODULE = r"""
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
enum nss_status _nss_extra_getpwnam_r(const char *name, struct passwd *out, char *buffer,
                                      size_t size, int *error) {
  static char text[] = "", mary[] = "mary", home[] = "/home/of/mary";
  out->pw_name = mary; out->pw_passwd = out->pw_gecos = out->pw_shell = text;
  out->pw_dir = home; out->pw_uid = out->pw_gid = 7;
  return NSS_STATUS_SUCCESS;
}
"""


def test_a_program_finds_in_its_tree_the_service_that_is_configured(tmp_path: Path) -> None:
    made = tmp_path / "build"
    program = implied.compiled(made, "tool", PROGRAM)
    module = implied.compiled(made, "libnss_extra.so.2", MODULE, "-shared", "-fPIC")
    root = implied.real_root(tmp_path / "root", program)
    libc = next(path for path in root.rglob("libc.so.6"))
    place = "/" + str(libc.relative_to(root).with_name("libnss_extra.so.2"))
    implied.copy(bytes(module), root, place)
    (root / "etc").mkdir()
    (root / "etc/nsswitch.conf").write_text("passwd: files extra\n")
    fields = {"executables": ["/usr/bin/tool"], "include": [CONFIGURATION]}
    assert implied.run(implied.plan(root, tmp_path, **fields), tmp_path) == "/home/of/mary"
    plan = implied.plan(root, tmp_path, **fields, nss=False)
    assert implied.run(plan, tmp_path) == "exit 3"
