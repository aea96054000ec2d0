"""musl's rules one by one."""

from __future__ import annotations

import pytest

from pants_plugin_minimg.bundler import loader

from .elf_builder import FILTER, MUSL, NODEFLIB, Spec, build
from .rootfs import Root


@pytest.fixture
def musl(root: Root) -> Root:
    root.file(MUSL.decode(), build(Spec(exports=[b"stdin", b"__libc_start_main"])), 0o755)
    return root


def resolve(root: Root, *needed: bytes | tuple[int, bytes], **fields: object) -> loader.Closure:
    options = {key: fields.pop(key) for key in ("ld_library_path", "extra") if key in fields}
    root.program("/bin/main", *needed, interp=MUSL, **fields)
    return root.resolve("/bin/main", **options)


def paths(closure: loader.Closure) -> list[str]:
    assert not closure.refused
    return [item.path.decode() for item in closure.loaded]


def lost(closure: loader.Closure) -> list[bytes]:
    return [item.name for item in closure.missing]


def test_default_path(musl: Root) -> None:
    musl.elf("/usr/lib/liba.so")
    musl.elf("/usr/local/lib/liba.so")
    musl.elf("/usr/lib/libb.so")
    musl.elf("/lib64/libn.so")
    closure = resolve(musl, b"liba.so", b"libb.so", b"libn.so")
    assert paths(closure) == ["/usr/local/lib/liba.so", "/usr/lib/libb.so"]
    assert lost(closure) == [b"libn.so"]
    assert closure.missing[0].searched == (b"/lib", b"/usr/local/lib", b"/usr/lib")


def test_path_file_replaces_the_default(musl: Root) -> None:
    musl.elf("/opt/x/liba.so")
    musl.elf("/lib/libb.so")
    musl.file("/etc/ld-musl-x86_64.path", b"/none\n/opt/x:\n")
    closure = resolve(musl, b"liba.so", b"libb.so")
    assert (paths(closure), lost(closure)) == (["/opt/x/liba.so"], [b"libb.so"])
    musl.file("/etc/ld-musl-x86_64.path", b"")
    assert lost(resolve(musl, b"libb.so")) == [b"libb.so"]


def test_prefix_of_the_path_file(root: Root) -> None:
    root.file("/opt/musl/lib/ld-musl-x86_64.so.1", b"\x7fELF", 0o755)
    root.file("/opt/musl/etc/ld-musl-x86_64.path", b"/opt/x")
    root.elf("/opt/x/liba.so")
    root.program("/bin/main", b"liba.so", interp=b"/opt/musl/lib/ld-musl-x86_64.so.1")
    assert paths(root.resolve("/bin/main")) == ["/opt/x/liba.so"]


def test_every_ancestors_path_runpath_too(musl: Root) -> None:
    musl.elf("/m/liba.so", b"libb.so", rpath=b"/a")
    musl.elf("/a/libb.so", b"libc1.so", runpath=b"/none", rpath=b"/ignored")
    musl.elf("/m/libc1.so")
    musl.elf("/ignored/libc1.so")
    closure = resolve(musl, b"liba.so", runpath=b"/m")
    assert paths(closure) == ["/m/liba.so", "/a/libb.so", "/m/libc1.so"]
    assert [item.via for item in closure.loaded] == ["runpath", "rpath", "runpath"]


def test_library_path_comes_first_and_is_split_at_colons_alone(musl: Root) -> None:
    musl.elf("/r/liba.so")
    musl.elf("/e/liba.so")
    closure = resolve(musl, b"liba.so", rpath=b"/r", ld_library_path=b"/none:/e")
    assert [(item.path, item.via) for item in closure.loaded] == [
        (b"/e/liba.so", "ld_library_path")
    ]
    closure = resolve(musl, b"liba.so", rpath=b"/r", ld_library_path=b"/none;/e")
    assert paths(closure) == ["/r/liba.so"]


def test_tokens(musl: Root) -> None:
    musl.elf("/bin/liba.so")
    musl.elf("/bin/sub/libb.so")
    closure = resolve(musl, b"liba.so", b"libb.so", rpath=b"$ORIGIN:${ORIGIN}/sub")
    assert paths(closure) == ["/bin/liba.so", "/bin/sub/libb.so"]
    # One unknown token voids the whole path.
    closure = resolve(musl, b"liba.so", rpath=b"$ORIGIN:/$LIB")
    assert lost(closure) == [b"liba.so"]
    assert closure.warnings
    # In a name with a slash nothing is expanded.
    assert lost(resolve(musl, b"$ORIGIN/liba.so")) == [b"$ORIGIN/liba.so"]


def test_reserved_names_are_the_loader(musl: Root) -> None:
    closure = resolve(musl, b"libc.so", b"libm.so.6", b"libc.musl-x86_64.so.1", MUSL)
    assert paths(closure) == [MUSL.decode()]
    assert (closure.loaded[0].name, closure.loaded[0].via) == (b"libc.so", "interp")
    musl.elf("/lib/libmagic.so")
    assert paths(resolve(musl, b"libmagic.so")) == ["/lib/libmagic.so"]


def test_another_c_library_is_replaced(musl: Root) -> None:
    musl.elf("/lib/other.so", exports=[b"__libc_start_main", b"stdin"])
    assert paths(resolve(musl, b"/lib/other.so")) == [MUSL.decode()]


def test_the_first_that_opens_wins(musl: Root) -> None:
    musl.elf("/r/liba.so", machine=183)
    musl.elf("/lib/liba.so")
    closure = resolve(musl, b"liba.so", rpath=b"/r")
    assert [item.path for item in closure.refused] == [b"/r/liba.so"]
    musl.file("/r/liba.so", b"text".ljust(100))
    assert [item.path for item in resolve(musl, b"liba.so", rpath=b"/r").refused] == [b"/r/liba.so"]


def test_a_loop_of_links_stops_the_search(musl: Root) -> None:
    musl.link("/r/liba.so", "liba.so")
    musl.elf("/lib/liba.so")
    assert lost(resolve(musl, b"liba.so", rpath=b"/r")) == [b"liba.so"]
    musl.file("/file", b"")
    assert paths(resolve(musl, b"liba.so", rpath=b"/file:/none")) == ["/lib/liba.so"]


def test_sameness_by_name_and_inode_and_not_by_soname(musl: Root) -> None:
    musl.elf("/lib/liba.so", soname=b"libsame.so")
    musl.elf("/lib/libsame.so")
    musl.hardlink("/lib/libtwin.so", "/lib/liba.so")
    closure = resolve(musl, b"liba.so", b"libsame.so", b"libtwin.so")
    assert paths(closure) == ["/lib/liba.so", "/lib/libsame.so"]
    assert [item.path for item in closure.twins] == [b"/lib/libtwin.so"]


def test_what_musl_does_not_know(musl: Root) -> None:
    musl.elf("/lib/liba.so")
    musl.elf("/lib/libf.so")
    closure = resolve(musl, b"liba.so", (FILTER, b"libf.so"), flags_1=NODEFLIB)
    assert paths(closure) == ["/lib/liba.so"]


def test_paths_beyond_the_buffer_are_not_tried(musl: Root) -> None:
    folder = "/" + "d" * 250 + "/" + "e" * 250
    musl.elf(folder + "/lib-a-b-c-d.so")
    assert lost(resolve(musl, b"lib-a-b-c-d.so", rpath=folder.encode())) == [b"lib-a-b-c-d.so"]
    musl.elf(folder + "/a.so")
    assert paths(resolve(musl, b"a.so", rpath=folder.encode())) == [folder + "/a.so"]


def test_extra(musl: Root) -> None:
    musl.elf("/lib/libplugin.so", b"libdeep.so")
    musl.elf("/lib/libdeep.so")
    assert paths(resolve(musl, extra=[b"libplugin.so"])) == [
        "/lib/libplugin.so",
        "/lib/libdeep.so",
    ]


def test_a_library_for_musl_gets_musl(musl: Root) -> None:
    musl.glibc()
    musl.elf("/lib/liba.so", b"libc.musl-x86_64.so.1")
    closure = musl.resolve("/lib/liba.so")
    assert closure.interpreter == MUSL
    assert loader.libgcc_trigger(musl.sysroot(), closure) is None
