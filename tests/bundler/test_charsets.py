"""Character sets and locales: gconv's modules, and C.UTF-8."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.implicit import charsets
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests import requirements

from . import implied
from .elf_builder import MUSL, Spec, build
from .implied import Bench
from .rootfs import Root

GCONV, LOCALES = "/usr/lib/tri/gconv", "/usr/share/own-locale"


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    """A C library that says where it has its data, and a program."""
    bench = Bench(root, tmp_path)
    said = f"\0{GCONV}/gconv-modules.cache\0x\0{LOCALES}/locale-archive\0".encode()
    bench.library("libc.so.6", payload=said)
    bench.program()
    return bench


def data(bench: Bench) -> None:
    bench.root.file(f"{GCONV}/gconv-modules.cache", b"cache")
    bench.library("gconv/libJIS.so")
    bench.root.elf(f"{GCONV}/EUC-JP.so", b"libJIS.so", b"libc.so.6", runpath=b"$ORIGIN")
    bench.root.file(f"{LOCALES}/C.utf8/LC_CTYPE", b"data")


def below(bench: Bench, folder: str, **fields: object) -> list[str]:
    return [path for path in implied.entries(bench.plan(**fields)) if path.startswith(folder)]


def test_nothing_is_added_unless_it_is_asked_for(bench: Bench) -> None:
    data(bench)
    plan = bench.plan()
    assert not [path for path in implied.entries(plan) if path.startswith((GCONV, LOCALES))]
    assert plan.log == []


def test_the_preset_gconv_is_the_folder_that_the_c_library_names(bench: Bench) -> None:
    data(bench)
    found = implied.entries(bench.plan(presets=["gconv"]))
    for name in ("", "/gconv-modules.cache", "/EUC-JP.so", "/libJIS.so"):
        assert "preset gconv" in found[GCONV + name].reasons
    assert not any(path.startswith(LOCALES) for path in found)


def test_the_preset_c_utf8_is_that_locale_alone(bench: Bench) -> None:
    data(bench)
    bench.root.file(f"{LOCALES}/de_DE.utf8/LC_CTYPE", b"data")
    assert below(bench, LOCALES, presets=["c-utf8"]) == [
        f"{LOCALES}/C.utf8",
        f"{LOCALES}/C.utf8/LC_CTYPE",
    ]


def test_presets_of_both_kinds_go_together(bench: Bench) -> None:
    data(bench)
    found = implied.entries(bench.plan(presets=["passwd", "c-utf8", "gconv"]))
    assert "/etc/passwd" in found and GCONV in found


@pytest.mark.parametrize("preset", ["gconv", "c-utf8"])
def test_a_preset_that_the_sysroot_has_no_files_for_is_an_error(bench: Bench, preset: str) -> None:
    (error,) = bench.errors(presets=[preset])
    assert (error.code, error.subject) == ("MINIMG-E030", preset)


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C.UTF-8"},
        {"LANG": "C.utf8"},
        {"LC_ALL": "C.UTF-8", "LANG": "de_DE"},
        {"LC_CTYPE": "C.UTF-8"},
        {"LC_ALL": "", "LANG": "C.UTF-8"},
    ],
)
def test_an_environment_with_c_utf8_brings_its_folder(bench: Bench, env: dict[str, str]) -> None:
    data(bench)
    variable, value = next(item for item in env.items() if item[1])
    found = implied.entries(bench.plan(env=env))
    assert found[f"{LOCALES}/C.utf8/LC_CTYPE"].reasons == [f"`env` says {variable}={value}"]


@pytest.mark.parametrize("env", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {"LANGUAGE": "C.UTF-8"}, {}])
def test_an_environment_without_it_does_not(bench: Bench, env: dict[str, str]) -> None:
    data(bench)
    assert below(bench, LOCALES, env=env) == []


def test_the_folder_is_found_by_the_name_that_older_debian_gives_it(bench: Bench) -> None:
    bench.root.file(f"{LOCALES}/C.UTF-8/LC_CTYPE", b"data")
    assert f"{LOCALES}/C.UTF-8" in implied.entries(bench.plan(env={"LANG": "C.UTF-8"}))
    # glibc spells the character set in one way of its own, and never back.
    assert below(bench, LOCALES, env={"LANG": "C.utf8"}) == []


def test_a_c_utf8_that_is_not_there_is_a_line_in_the_log(bench: Bench) -> None:
    (line,) = bench.plan(env={"LANG": "C.UTF-8"}).log
    assert line == f"`env` says LANG=C.UTF-8, and {LOCALES} of the sysroot has none."


def test_another_locale_is_a_line_that_says_what_to_add(bench: Bench) -> None:
    bench.root.file(f"{LOCALES}/de_DE.utf8/LC_CTYPE", b"data")
    env = {"LANG": "de_DE.UTF-8"}
    (line,) = bench.plan(env=env).log
    assert f'add `include=["{LOCALES}/de_DE.utf8"]`' in line
    assert bench.plan(env=env, include=[f"{LOCALES}/de_DE.utf8"]).log == []


def test_a_locale_of_the_archive_is_told_with_the_archive(bench: Bench) -> None:
    bench.root.file(f"{LOCALES}/locale-archive", b"data")
    (line,) = bench.plan(env={"LC_ALL": "fr_FR.UTF-8"}).log
    assert f'`include=["{LOCALES}/locale-archive"]`, the archive of all its locales' in line


def test_a_locale_that_the_sysroot_has_not_is_told(bench: Bench) -> None:
    (line,) = bench.plan(env={"LC_ALL": "../../etc"}).log
    assert "LC_ALL=../../etc, which is not in" in line


def test_the_usual_places_serve_for_a_library_that_says_nothing(bench: Bench) -> None:
    bench.library("libc.so.6")
    data(bench)
    bench.root.file("/usr/lib/locale/C.utf8/LC_CTYPE", b"data")
    found = implied.entries(bench.plan(presets=["gconv", "c-utf8"]))
    assert GCONV in found and "/usr/lib/locale/C.utf8/LC_CTYPE" in found


def test_musl_has_it_all_within(bench: Bench) -> None:
    data(bench)
    bench.root.elf(MUSL.decode())
    bench.file("/usr/bin/tool", build(Spec(interp=MUSL)))
    plan = bench.plan(presets=["gconv"], env={"LANG": "C.UTF-8"})
    assert not [path for path in implied.entries(plan) if path.startswith((GCONV, LOCALES))]
    assert plan.log == ["The preset gconv adds nothing: no program of the image uses glibc."]


def test_the_real_c_library_says_where_its_data_are() -> None:
    library = next(
        (path for path in Path("/").glob("lib*/*-linux-gnu/libc.so.6") if path.is_file()), None
    )
    if library is None:
        requirements.unavailable("there is no glibc in a folder of Debian's")
    content = library.read_bytes()
    gconv = charsets._told(content, b"/gconv-modules.cache")
    assert gconv is not None and gconv.endswith(b"/gconv")
    assert charsets._told(content, b"/locale-archive") == b"/usr/lib/locale"


PROGRAM = r"""
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
int main(void) {
  const char *locale = setlocale(LC_ALL, "");
  iconv_t latin = iconv_open("UTF-8", "ISO-8859-2");
  printf("%s %s\n", locale ? nl_langinfo(CODESET) : "none", latin == (iconv_t)-1 ? "no" : "yes");
  return 0;
}
"""


def test_a_program_has_in_its_tree_what_was_asked_for(tmp_path: Path) -> None:
    program = implied.compiled(tmp_path / "build", "tool", PROGRAM)
    root = implied.real_root(tmp_path / "root", program)
    libc = next(root.rglob("libc.so.6"))
    gconv = charsets._told(libc.read_bytes(), b"/gconv-modules.cache")
    assert gconv is not None
    host = DirSysroot(b"/")
    for folder in (gconv, b"/usr/lib/locale/C.utf8"):
        if host.walk(folder).error is not None:
            requirements.unavailable(f"there is no {folder.decode()}")
        shutil.copytree(folder.decode(), root / folder.decode()[1:])
    env = {"LANG": "C.UTF-8"}
    names = ["/usr/bin/tool"]

    def says(**fields: object) -> str:
        plan = implied.plan(root, tmp_path, executables=names, **fields)
        return implied.run(plan, tmp_path, env=env)

    assert says(env=env, presets=["gconv"]) == "UTF-8 yes"
    assert says(presets=["c-utf8"]) == "UTF-8 no"
    assert says() == "none no"
