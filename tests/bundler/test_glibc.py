"""glibc's rules one by one, in file systems made for each; the loader's file only carries data."""

from __future__ import annotations

import os

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.context import context
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

from .elf_builder import AUXILIARY, FILTER, GLIBC, MUSL, NODEFLIB, Spec, build
from .rootfs import Root


@pytest.fixture
def glibc(root: Root) -> Root:
    root.glibc()
    return root


def paths(closure: loader.Closure) -> list[str]:
    assert not closure.refused
    return [item.path.decode() for item in closure.loaded]


def how(closure: loader.Closure) -> list[tuple[str, str]]:
    return [(item.path.decode(), item.via) for item in closure.loaded]


def lost(closure: loader.Closure) -> list[bytes]:
    return [item.name for item in closure.missing]


def test_breadth_first_and_each_once(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", b"libb.so")
    glibc.elf("/lib/liba.so", b"libc1.so", b"ld-linux-x86-64.so.2")
    glibc.elf("/lib/libb.so", b"liba.so", b"libd.so")
    glibc.elf("/lib/libc1.so", b"libd.so")
    glibc.elf("/lib/libd.so")
    closure = glibc.resolve("/bin/main")
    assert paths(closure) == [
        "/lib/liba.so",
        "/lib/libb.so",
        "/lib/libc1.so",
        GLIBC.decode(),
        "/lib/libd.so",
    ]
    own = closure.loaded[3]
    assert (own.name, own.by, own.via) == (b"ld-linux-x86-64.so.2", b"/lib/liba.so", "interp")
    assert closure.loaded[4].by == b"/lib/libb.so"
    assert closure.interpreter == GLIBC
    assert closure.interp_walk is not None
    assert closure.interp_walk.real == GLIBC


def test_the_directories_come_from_the_loader_itself(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", b"libb.so")
    glibc.elf("/usr/lib/liba.so")
    glibc.elf("/lib/tri/liba.so")
    glibc.elf("/lib64/libb.so")
    closure = glibc.resolve("/bin/main")
    assert how(closure) == [("/lib/tri/liba.so", "system")]
    (missing,) = closure.missing
    assert (missing.name, missing.by) == (b"libb.so", b"/bin/main")
    assert missing.searched == (b"/lib/tri/", b"/usr/lib/tri/", b"/lib/", b"/usr/lib/")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\0/lib/\0/usr/lib/\0", (b"/lib/", b"/usr/lib/")),
        (b"\0/nix/store/glibc/lib/\0x", (b"/nix/store/glibc/lib/",)),
        (b"\x13\x09/lib64/\0/\0lib/\0", (b"/lib64/", b"/")),
        (
            b"/lib/\0/a/\0/etc/\0x\0/b/\0/usr/lib/\0/c/\0/d/\0",
            (b"/b/", b"/usr/lib/", b"/c/", b"/d/"),
        ),
        (b"/lib/\0\0/usr/lib/\0/lib\0", (b"/lib/",)),
        (b"\0/usr/share/\0/etc/\0", ()),
        (b"/li b/\0lib/", ()),
    ],
)
def test_the_array_of_directories(data: bytes, found: tuple[bytes, ...], root: Root) -> None:
    path = os.fsencode(root.file("/ld.so", b"\x7fELF" + data))
    assert context(DirSysroot(os.fsencode(root.folder))).facts(path).directories == found


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b"GNU C Library stable release version 2.36.\n", (2, 36)),
        (b"stable release version 2.3, by Roland", (2, 3)),
        (b"release version 12.3456", (12, 3456)),
        (b"release version 2.\n", (0, 0)),
        (b"release version two", (0, 0)),
        (b"release version ", (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_the_loaders_version(data: bytes, version: tuple[int, int], root: Root) -> None:
    path = os.fsencode(root.file("/ld.so", b"\x7fELF\0" + data))
    assert context(DirSysroot(os.fsencode(root.folder))).facts(path).version == version


def test_rpath_of_every_loader_and_runpath_of_none_but_oneself(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", rpath=b"/main")
    glibc.elf("/main/liba.so", b"libb.so", rpath=b"/a")
    glibc.elf("/a/libb.so", b"libc1.so", b"libd.so")
    glibc.elf("/a/libc1.so")
    glibc.elf("/main/libc1.so")
    glibc.elf("/main/libd.so")
    assert how(glibc.resolve("/bin/main")) == [
        ("/main/liba.so", "rpath"),
        ("/a/libb.so", "rpath"),
        ("/a/libc1.so", "rpath"),
        ("/main/libd.so", "rpath"),
    ]
    glibc.program("/bin/main", b"liba.so", runpath=b"/main")
    glibc.elf("/main/liba.so", b"libc1.so")
    assert lost(glibc.resolve("/bin/main")) == [b"libc1.so"]


def test_runpath_switches_rpath_off_even_when_empty(glibc: Root) -> None:
    glibc.elf("/r/liba.so")
    glibc.program("/bin/main", b"liba.so", rpath=b"/r", runpath=b"")
    assert lost(glibc.resolve("/bin/main")) == [b"liba.so"]
    glibc.program("/bin/main", b"liba.so", rpath=b"/r")
    assert paths(glibc.resolve("/bin/main")) == ["/r/liba.so"]


def test_an_object_with_runpath_lends_no_rpath_to_what_it_loads(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", rpath=b"/r")
    glibc.elf("/r/liba.so", b"libb.so", runpath=b"/empty")
    glibc.elf("/r/libb.so")
    assert lost(glibc.resolve("/bin/main")) == [b"libb.so"]


def test_order_of_the_lists(glibc: Root) -> None:
    for folder in ("rpath", "env", "runpath", "lib"):
        glibc.elf(f"/{folder}/liba.so")
    glibc.program("/bin/main", b"liba.so", rpath=b"/rpath")
    found = glibc.resolve("/bin/main", ld_library_path=b"/env")
    assert how(found) == [("/rpath/liba.so", "rpath")]
    glibc.program("/bin/main", b"liba.so", runpath=b"/runpath")
    found = glibc.resolve("/bin/main", ld_library_path=b"/none;/env")
    assert how(found) == [("/env/liba.so", "ld_library_path")]
    assert how(glibc.resolve("/bin/main")) == [("/runpath/liba.so", "runpath")]


def test_tokens(glibc: Root) -> None:
    glibc.elf("/opt/app/lib/liba.so")
    glibc.elf("/opt/app/lib/tri/libb.so")
    glibc.elf("/opt/app/$FOO/libc1.so")
    glibc.elf("/opt/app/x86_64/libd.so")
    glibc.program(
        "/opt/app/bin/main",
        *(b"liba.so", b"libb.so", b"libc1.so", b"libd.so", b"${ORIGIN}/../lib/liba.so"),
        runpath=b"$ORIGIN/../lib:${ORIGIN}/../$LIB:$ORIGIN/../$FOO:$ORIGIN/../$PLATFORM",
    )
    closure = glibc.resolve("/opt/app/bin/main")
    assert paths(closure) == [
        "/opt/app/bin/../lib/liba.so",
        "/opt/app/bin/../lib/tri/libb.so",
        "/opt/app/bin/../$FOO/libc1.so",
        "/opt/app/bin/../x86_64/libd.so",
    ]
    assert any("$PLATFORM depends on the processor" in item for item in closure.warnings)
    assert closure.twins == []  # the fifth name is the first library's path


def test_origin_of_a_program_is_its_real_path_of_a_library_the_one_found(glibc: Root) -> None:
    glibc.program("/opt/real/main", b"liba.so", runpath=b"$ORIGIN")
    glibc.link("/bin/main", "../opt/real/main")
    glibc.elf("/opt/real/liba.so")
    assert paths(glibc.resolve("/bin/main")) == ["/opt/real/liba.so"]
    # A library that is a link does not see what lies beside its file.
    glibc.program("/bin/other", b"libx.so")
    glibc.elf("/opt/lib/libx.so", b"liby.so", runpath=b"$ORIGIN")
    glibc.elf("/opt/lib/liby.so")
    glibc.link("/lib/libx.so", "../opt/lib/libx.so")
    closure = glibc.resolve("/bin/other")
    assert (paths(closure), lost(closure)) == (["/lib/libx.so"], [b"liby.so"])
    # A folder that is a link does no harm.
    glibc.link("/alias", "opt/lib")
    glibc.program("/bin/other", b"libx.so", rpath=b"/alias")
    assert paths(glibc.resolve("/bin/other")) == ["/alias/libx.so", "/alias/liby.so"]


def test_sameness_by_soname_by_inode_and_not_by_content(glibc: Root) -> None:
    glibc.program("/bin/main", b"/x/one.so", b"real-name", b"two.so", b"three.so", rpath=b"/x")
    glibc.elf("/x/one.so", soname=b"real-name")
    glibc.hardlink("/x/two.so", "/x/one.so")
    glibc.file("/x/three.so", build(Spec(soname=b"real-name")))
    closure = glibc.resolve("/bin/main")
    assert paths(closure) == ["/x/one.so", "/x/three.so"]
    assert [(item.name, item.path) for item in closure.twins] == [(b"two.so", b"/x/two.so")]
    # By its basename a library that was named by path is not known.
    glibc.program("/bin/main", b"/x/one.so", b"one.so")
    assert lost(glibc.resolve("/bin/main")) == [b"one.so"]


def test_a_library_that_asks_for_the_program(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", b"", soname=b"self")
    glibc.elf("/lib/liba.so", b"self", b"")
    closure = glibc.resolve("/bin/main")
    assert (paths(closure), lost(closure)) == (["/lib/liba.so"], [])


def test_skipped_and_fatal(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", runpath=b"/bad")
    glibc.elf("/lib/liba.so")
    skipped = [
        Spec(elfclass=32, machine=3),
        Spec(machine=183),
        Spec(endian="big"),
    ]
    for spec in skipped:
        glibc.file("/bad/liba.so", build(spec))
        assert paths(glibc.resolve("/bin/main")) == ["/lib/liba.so"], spec
    good = build(Spec())
    fatal = {
        "a linker script": b"GROUP ( libc.so.6 )".ljust(80),
        "short": good[:30],
        "empty": b"",
        "byte order": good[:5] + b"\2" + good[6:],
        "osabi": good[:7] + b"\x09" + good[8:],
        "padding": good[:12] + b"\1" + good[13:],
        "relocatable": build(Spec(e_type=1)),
        "executable": build(Spec(e_type=2)),
        "phentsize": good[:54] + b"\x40" + good[55:],
        "no dynamic": build(Spec(dynamic=False)),
        "pie": build(Spec(flags_1=0x8000000)),
    }
    for name, raw in fatal.items():
        glibc.file("/bad/liba.so", raw)
        closure = glibc.resolve("/bin/main")
        assert [item.path for item in closure.refused] == [b"/bad/liba.so"], name
        assert closure.refused[0].reason
    glibc.on_disk("/bad/liba.so").unlink()
    glibc.directory("/bad/liba.so")
    assert glibc.resolve("/bin/main").refused[0].reason == "a directory"


def test_the_gnu_osabi_is_fine(glibc: Root) -> None:
    good = build(Spec())
    glibc.program("/bin/main", b"liba.so")
    glibc.file("/lib/liba.so", good[:7] + b"\3" + good[8:])
    assert paths(glibc.resolve("/bin/main")) == ["/lib/liba.so"]


def test_a_loop_of_links_gives_up_the_list(glibc: Root) -> None:
    glibc.link("/one/liba.so", "liba.so")
    glibc.elf("/two/liba.so")
    glibc.elf("/lib/liba.so")
    glibc.program("/bin/main", b"liba.so", runpath=b"/one:/two")
    assert paths(glibc.resolve("/bin/main")) == ["/lib/liba.so"]
    # A folder that cannot be reached counts as absent.
    glibc.link("/loop", "loop")
    glibc.program("/bin/main", b"liba.so", runpath=b"/loop:/bin/main:/two")
    assert paths(glibc.resolve("/bin/main")) == ["/two/liba.so"]


def test_a_link_through_a_file_changed_in_2_39(root: Root) -> None:
    root.file("/file", b"")
    root.link("/one/liba.so", "../file/x")
    root.elf("/two/liba.so")
    root.elf("/lib/liba.so")
    root.program("/bin/main", b"liba.so", runpath=b"/one:/two")
    for version, expected in ((b"2.36", "/lib/liba.so"), (b"2.39", "/two/liba.so")):
        root.glibc(version)
        assert paths(root.resolve("/bin/main")) == [expected]


def test_nodeflib(glibc: Root) -> None:
    glibc.elf("/lib/liba.so")
    glibc.program("/bin/main", b"liba.so", flags_1=NODEFLIB)
    assert lost(glibc.resolve("/bin/main")) == [b"liba.so"]


def test_filters_come_before_their_owner(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", b"libz.so")
    glibc.elf("/lib/liba.so", (FILTER, b"libf.so"), (AUXILIARY, b"libx.so"), b"libn.so")
    for name in ("f", "x", "n", "z"):
        glibc.elf(f"/lib/lib{name}.so")
    assert paths(glibc.resolve("/bin/main")) == [
        *("/lib/libf.so", "/lib/libx.so", "/lib/liba.so", "/lib/libz.so", "/lib/libn.so")
    ]


def test_a_missing_auxiliary_is_no_loss_and_a_missing_filter_is(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so")
    glibc.elf("/lib/liba.so", (AUXILIARY, b"libx.so"), (AUXILIARY, b"libbad.so"))
    glibc.file("/lib/libbad.so", b"no library")
    closure = glibc.resolve("/bin/main")
    assert (paths(closure), lost(closure)) == (["/lib/liba.so"], [])
    glibc.elf("/lib/liba.so", (FILTER, b"libx.so"))
    assert lost(glibc.resolve("/bin/main")) == [b"libx.so"]


def test_filters_in_a_circle_end_with_a_reason(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so")
    glibc.elf("/lib/liba.so", (FILTER, b"libb.so"))
    glibc.elf("/lib/libb.so", (FILTER, b"liba.so"))
    (refused,) = glibc.resolve("/bin/main").refused
    assert "circle" in refused.reason


def test_preload_comes_first_and_may_fail(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so")
    glibc.elf("/lib/liba.so")
    glibc.elf("/lib/libpre.so", b"libdeep.so")
    glibc.elf("/lib/libdeep.so")
    glibc.file("/etc/ld.so.preload", b"# comment libno.so\nlibpre.so:libnone.so\t/lib/libtwo.so\n")
    glibc.elf("/lib/libtwo.so")
    closure = glibc.resolve("/bin/main")
    assert how(closure) == [
        ("/lib/libpre.so", "preload"),
        ("/lib/libtwo.so", "preload"),
        ("/lib/liba.so", "system"),
        ("/lib/libdeep.so", "system"),
    ]
    assert any("libnone.so" in warning for warning in closure.warnings)
    assert lost(closure) == []
    assert paths(glibc.resolve("/bin/main", preload=False)) == ["/lib/liba.so"]
    closure = glibc.resolve("/bin/main", preload=False, ld_preload=b"libtwo.so")
    assert paths(closure) == ["/lib/libtwo.so", "/lib/liba.so"]


def test_extra_libraries_are_opened_by_the_program(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", runpath=b"/opt")
    glibc.elf("/lib/liba.so", soname=b"alias.so")
    glibc.elf("/opt/libplugin.so", b"libdeep.so", b"liba.so")
    glibc.elf("/lib/libdeep.so")
    glibc.elf("/lib/libno.so", flags_1=0x40)
    closure = glibc.resolve("/bin/main", extra=[b"libplugin.so", b"alias.so", b"libgone.so"])
    assert paths(closure) == ["/lib/liba.so", "/opt/libplugin.so", "/lib/libdeep.so"]
    assert lost(closure) == [b"libgone.so"]
    closure = glibc.resolve("/bin/main", extra=[b"libno.so"])
    assert "opened at run time" in closure.refused[0].reason


def test_libgcc_is_looked_for_by_the_c_library(glibc: Root) -> None:
    glibc.program("/bin/main", b"libuser.so", b"libc.so.6", runpath=b"/mine")
    glibc.elf("/lib/libuser.so", imports=[b"pthread_exit"])
    glibc.elf("/lib/libc.so.6", soname=b"libc.so.6", imports=[b"backtrace"])
    glibc.elf("/mine/libgcc_s.so.1")
    glibc.elf("/lib/libgcc_s.so.1")
    closure = glibc.resolve("/bin/main", libgcc=True)
    assert closure.libgcc == b"pthread_exit"
    last = closure.loaded[-1]
    # The program's RUNPATH is not libc's.
    assert (last.path, last.by) == (b"/lib/libgcc_s.so.1", b"/lib/libc.so.6")
    assert glibc.resolve("/bin/main").libgcc is None
    assert loader.libgcc_trigger(glibc.sysroot(), glibc.resolve("/bin/main")) == b"pthread_exit"
    glibc.program("/bin/main", b"libuser.so", b"libc.so.6", b"libgcc_s.so.1")
    assert glibc.resolve("/bin/main", libgcc=True).libgcc is None
    glibc.elf("/lib/libuser.so", exports=[b"pthread_exit"])
    glibc.program("/bin/main", b"libuser.so", b"libc.so.6")
    assert glibc.resolve("/bin/main", libgcc=True).libgcc is None


def test_relative_search_paths_are_warned_of(glibc: Root) -> None:
    glibc.program("/bin/main", b"liba.so", runpath=b"lib::/opt")
    glibc.elf("/opt/liba.so")
    closure = glibc.resolve("/bin/main")
    assert paths(closure) == ["/opt/liba.so"]
    assert len(closure.warnings) == 2


def test_kinds(glibc: Root) -> None:
    glibc.program("/bin/dynamic")
    glibc.elf("/bin/static", dynamic=False, e_type=2)
    glibc.elf("/bin/static-pie", flags_1=0x8000000)
    glibc.elf("/lib/shared")
    glibc.file("/bin/script", b"#!/bin/sh\n")
    glibc.file("/not-elf", b"text")
    glibc.file("/empty", b"")
    sysroot = glibc.sysroot()
    for path in ("/bin/dynamic", "/bin/static", "/bin/static-pie", "/lib/shared", "/bin/script"):
        assert loader.kind(sysroot, path.encode()) == path.rpartition("/")[2]
    assert loader.kind(sysroot, b"/not-elf") == "not-elf"
    assert loader.kind(sysroot, b"/empty") == "not-elf"
    for path in ("/bin/static", "/bin/static-pie"):
        closure = glibc.resolve(path)
        assert (closure.loaded, closure.interpreter) == ([], None)


def test_a_library_gets_the_sysroots_own_loader(glibc: Root) -> None:
    glibc.elf("/opt/liba.so", b"libb.so", runpath=b"$ORIGIN")
    glibc.elf("/opt/libb.so")
    closure = glibc.resolve("/opt/liba.so")
    assert closure.interpreter == GLIBC
    assert paths(closure) == ["/opt/libb.so"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nothing", "MINIMG-E002"),
        ("/dir", "MINIMG-E003"),
        ("/loop", "MINIMG-E007"),
        ("/text", "MINIMG-E003"),
        ("/object", "MINIMG-E003"),
        ("/longinterp", "MINIMG-E003"),
    ],
)
def test_bad_programs(glibc: Root, path: str, code: str) -> None:
    glibc.directory("/dir")
    glibc.link("/loop", "loop")
    glibc.file("/text", b"text")
    glibc.elf("/object", e_type=1)
    glibc.program("/longinterp", interp=b"/" + b"x" * 5000)
    with pytest.raises(MinimgError) as caught:
        glibc.resolve(path)
    assert caught.value.code == code


@pytest.mark.parametrize("interp", [GLIBC, MUSL])
def test_a_missing_interpreter_is_seen_and_is_no_library(root: Root, interp: bytes) -> None:
    root.program("/bin/main", b"libc.so.6", interp.rpartition(b"/")[2], interp=interp)
    root.elf("/lib/libc.so.6")
    closure = root.resolve("/bin/main")
    assert closure.interp_walk is not None
    assert closure.interp_walk.error == "ENOENT"
    assert all(item.via != "interp" for item in closure.loaded)
    root.directory(interp.decode())
    closure = root.resolve("/bin/main")
    assert all(item.via != "interp" for item in closure.loaded)


def test_a_chain_and_a_star_of_thousands(glibc: Root) -> None:
    count = 1500
    for index in range(count):
        glibc.elf(f"/lib/c{index}.so", *([b"c%d.so" % (index + 1)] if index + 1 < count else []))
    glibc.program("/bin/chain", b"c0.so")
    assert len(glibc.resolve("/bin/chain").loaded) == count
    glibc.program("/bin/star", *(b"c%d.so" % index for index in range(count)))
    closure = glibc.resolve("/bin/star")
    assert paths(closure)[-1] == f"/lib/c{count - 1}.so"


def test_other_architectures(root: Root) -> None:
    root.elf("/lib/liba.so", machine=22, endian="big")
    root.program("/bin/main", b"liba.so", machine=22, endian="big", interp=b"/lib/ld64.so.1")
    payload = b"\0/lib/\0/usr/lib/\0"
    root.elf("/lib/ld64.so.1", soname=b"ld64.so.1", machine=22, endian="big", payload=payload)
    assert paths(root.resolve("/bin/main")) == ["/lib/liba.so"]
