"""Symbol versions: what is asked of the libraries that were found is in them."""

from __future__ import annotations

import itertools
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.binaries import elf, elf_versions
from pants_plugin_minimg.bundler.binaries.elf_versions import MAX_RECORDS
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.planning import symbol_versions
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.requirements import program, unavailable

from .elf_builder import GLIBC, MUSL, Spec
from .rootfs import Root
from .versions import WEAK, Format, Name, Needs, elf_hash, versioned

LIBC = "/usr/lib/libc.so.6"


def put(root: Root, path: str, *needed: bytes, **parts: object) -> str:
    """A file with versions; `parts` are those of `Spec` and of `versioned`."""
    tables = {key: parts.pop(key) for key in ("needs", "defines", "form") if key in parts}
    parts.setdefault("soname", path.rpartition("/")[2].encode())
    spec = Spec(needed=needed, **parts)  # type: ignore[arg-type]
    return root.file(path, versioned(spec, **tables), 0o755)  # type: ignore[arg-type]


def server(root: Root, *needed: bytes, **parts: object) -> str:
    parts = {"interp": GLIBC, "soname": None, **parts}
    return put(root, "/app/server", *(needed or (b"libc.so.6",)), **parts)


def check(root: Root, path: str = "/app/server", **options: object) -> tuple[list[str], list[str]]:
    sysroot = root.sysroot()
    closure = loader.resolve(sysroot, path.encode(), **options)  # type: ignore[arg-type]
    problems, warnings = symbol_versions.check(sysroot, closure)
    assert all(problem.code == "MINIMG-E029" for problem in problems)
    return [str(problem) for problem in problems], warnings


@pytest.fixture
def base(root: Root) -> Root:
    """A sysroot with glibc 2.36."""
    root.glibc()
    put(root, LIBC, defines=[b"libc.so.6", b"GLIBC_2.4", b"GLIBC_2.34", b"GLIBC_2.36"])
    return root


def test_versions_that_the_library_has_are_no_matter(base: Root) -> None:
    server(base, needs={b"libc.so.6": [b"GLIBC_2.4", b"GLIBC_2.36"]})
    assert check(base) == ([], [])


def test_a_version_that_the_library_lacks_is_told_with_one_that_would_do(base: Root) -> None:
    server(base, needs={b"libc.so.6": [b"GLIBC_2.34", b"GLIBC_2.38"]})
    assert check(base) == (
        [
            "MINIMG-E029 /app/server: it needs GLIBC_2.38 of libc.so.6, and /usr/lib/libc.so.6 of "
            "this sysroot has them up to GLIBC_2.36. Build it on this sysroot's release, or take "
            "a sysroot whose libc.so.6 has GLIBC_2.38."
        ],
        [],
    )


def test_versions_are_compared_as_numbers(base: Root) -> None:
    put(base, LIBC, defines=[b"GLIBC_2.10", b"GLIBC_2.9"])
    server(base, needs={b"libc.so.6": [b"GLIBC_2.99", b"GLIBC_2.100", b"GLIBC_2.11"]})
    ((problem,), _) = check(base)
    assert "it needs GLIBC_2.11, GLIBC_2.99 and GLIBC_2.100 of libc.so.6" in problem
    assert "up to GLIBC_2.10. " in problem
    assert problem.endswith("whose libc.so.6 has GLIBC_2.100.")


def test_every_namespace_has_its_own_numbers(base: Root) -> None:
    names = [b"GLIBCXX_3.4.30", b"GLIBCXX_3.4.9", b"CXXABI_1.3.13"]
    put(base, "/usr/lib/libstdc++.so.6", defines=names)
    wanted = [b"CXXABI_1.3.15", b"GLIBCXX_3.4.31", b"GLIBCXX_3.4.32"]
    server(base, b"libstdc++.so.6", needs={b"libstdc++.so.6": wanted})
    ((problem,), _) = check(base)
    assert "has them up to CXXABI_1.3.13 and GLIBCXX_3.4.30. " in problem
    assert problem.endswith("has CXXABI_1.3.15 and GLIBCXX_3.4.32.")


def test_a_library_that_dropped_an_old_version_is_not_called_too_old(base: Root) -> None:
    server(base, needs={b"libc.so.6": [b"GLIBC_2.0"]})
    ((problem,), _) = check(base)
    assert "has others, up to GLIBC_2.36. " in problem


@pytest.mark.parametrize("version", [b"GLIBC_PRIVATE", b"GLIBC_ABI_DT_RELR", b"OPENSSL_3.0.0"])
def test_a_version_of_no_known_namespace_is_looked_up_like_any_other(
    base: Root, version: bytes
) -> None:
    server(base, needs={b"libc.so.6": [version]})
    ((problem,), _) = check(base)
    assert f"it needs {version.decode()} of libc.so.6" in problem
    assert "has no such version" in problem
    put(base, LIBC, defines=[b"GLIBC_2.36", version])
    assert check(base) == ([], [])


def test_each_object_and_library_is_a_problem_of_its_own(base: Root) -> None:
    put(base, "/usr/lib/liba.so", b"libc.so.6", defines=[b"A1"], needs={b"libc.so.6": [b"X1"]})
    wanted = {b"liba.so": [b"A1", b"A2"], b"libc.so.6": [b"GLIBC_2.37", b"GLIBC_2.38"]}
    server(base, b"liba.so", b"libc.so.6", needs=wanted)
    problems, _ = check(base)
    assert [problem.split(", and")[0] for problem in problems] == [
        "MINIMG-E029 /app/server: it needs A2 of liba.so",
        "MINIMG-E029 /app/server: it needs GLIBC_2.37 and GLIBC_2.38 of libc.so.6",
        "MINIMG-E029 /usr/lib/liba.so: it needs X1 of libc.so.6",
    ]


def test_a_weak_version_is_a_warning(base: Root) -> None:
    server(base, needs={b"libc.so.6": [Name(b"GLIBC_2.38", WEAK)]})
    problems, (warning,) = check(base)
    assert not problems
    assert warning.startswith("/usr/lib/libc.so.6 has no GLIBC_2.38, which /app/server")


STOPS = "the loader stops once it needs one of them."
WARNS = "the loader only warns of that."


@pytest.mark.parametrize(
    ("release", "fate"), [(b"2.36", STOPS), (b"2.40", STOPS), (b"2.41", WARNS)]
)
def test_a_library_without_any_versions_is_a_warning(base: Root, release: bytes, fate: str) -> None:
    base.glibc(release)
    put(base, "/usr/lib/liba.so")
    server(base, b"liba.so", needs={b"liba.so": [b"A1"]})
    problems, (warning,) = check(base)
    assert not problems
    assert warning.startswith("/usr/lib/liba.so has no version information")
    assert warning.endswith(fate)


def test_the_hash_counts_as_it_does_for_the_loader(base: Root) -> None:
    server(base, needs={b"libc.so.6": [Name(b"GLIBC_2.36", hash=1)]})
    assert len(check(base)[0]) == 1
    server(base, needs={b"libc.so.6": [Name(b"GLIBC_2.38", hash=elf_hash(b"GLIBC_2.36"))]})
    assert len(check(base)[0]) == 1


def test_the_name_of_the_file_itself_is_a_version_like_any_other(base: Root) -> None:
    server(base, needs={b"libc.so.6": [b"libc.so.6"]})
    assert check(base) == ([], [])


def test_the_loaders_own_versions_are_found_under_its_soname(base: Root) -> None:
    put(base, GLIBC.decode(), soname=b"ld-linux-x86-64.so.2", defines=[b"GLIBC_2.3"])
    wanted = {b"ld-linux-x86-64.so.2": [b"GLIBC_2.3", b"GLIBC_2.35"]}
    server(base, b"libc.so.6", b"ld-linux-x86-64.so.2", needs=wanted)
    ((problem,), _) = check(base)
    assert "it needs GLIBC_2.35 of ld-linux-x86-64.so.2, and /lib64/ld-linux" in problem


def test_versions_of_a_library_that_nothing_asks_for_stop_the_loader(base: Root) -> None:
    server(base, needs={b"libgone.so": [b"V1"]})
    ((problem,), _) = check(base)
    assert "it has versions of libgone.so, and nothing asks for a library of that name" in problem


def test_versions_of_a_missing_or_refused_library_are_reported_elsewhere(base: Root) -> None:
    base.file("/usr/lib/libbad.so", b"INPUT(liba.so)" + bytes(64))
    server(base, b"libgone.so", b"libbad.so", needs={b"libgone.so": [b"V"], b"libbad.so": [b"V"]})
    assert check(base) == ([], [])


def test_a_soname_counts_once_somebody_asked_for_it(base: Root) -> None:
    put(base, "/opt/liba.so", soname=b"liba.so.1", defines=[b"V1"])
    server(base, b"/opt/liba.so", needs={b"liba.so.1": [b"V1"]})
    assert len(check(base)[0]) == 1
    server(base, b"/opt/liba.so", b"liba.so.1", needs={b"liba.so.1": [b"V1"]})
    assert check(base) == ([], [])


def test_a_library_found_again_through_a_link_answers_to_both_names(base: Root) -> None:
    put(base, "/usr/lib/liba.so.1", soname=None, defines=[b"V1"])
    base.link("/usr/lib/liba.so", "liba.so.1")
    wanted = {b"liba.so.1": [b"V1"], b"liba.so": [b"V1", b"V2"]}
    server(base, b"liba.so.1", b"liba.so", needs=wanted)
    ((problem,), _) = check(base)
    assert "needs V2 of liba.so, and /usr/lib/liba.so.1 of" in problem


def test_libraries_opened_at_run_time_are_checked(base: Root) -> None:
    put(base, "/usr/lib/libplugin.so", b"libc.so.6", needs={b"libc.so.6": [b"GLIBC_2.38"]})
    server(base)
    ((problem,), _) = check(base, extra=[b"libplugin.so"])
    assert problem.startswith("MINIMG-E029 /usr/lib/libplugin.so: ")


def test_musl_and_static_programs_have_no_versions_to_check(base: Root) -> None:
    put(base, MUSL.decode())
    put(base, "/lib/liba.so", defines=[b"V1"])
    server(base, b"liba.so", interp=MUSL, needs={b"liba.so": [b"V2"]})
    assert check(base) == ([], [])
    server(base, b"liba.so", interp=None, flags_1=elf.DF_1_PIE, needs={b"liba.so": [b"V2"]})
    assert check(base) == ([], [])


@pytest.mark.parametrize(
    ("machine", "elfclass", "endian"),
    [(elf.EM_386, 32, "little"), (elf.EM_S390, 64, "big"), (elf.EM_PPC64, 64, "little")],
)
def test_other_machines_tables_are_read_alike(
    root: Root, machine: int, elfclass: int, endian: str
) -> None:
    kind = {"machine": machine, "elfclass": elfclass, "endian": endian}
    put(root, "/lib/ld.so.1", **kind)
    put(root, "/usr/lib64/liba.so", defines=[b"V1", b"V2"], **kind)
    put(root, "/usr/lib/liba.so", defines=[b"V1", b"V2"], **kind)
    parts = {"interp": b"/lib/ld.so.1", **kind}
    server(root, b"liba.so", needs={b"liba.so": [b"V1", b"V3"]}, **parts)
    ((problem,), _) = check(root)
    assert "it needs V3 of liba.so" in problem and "up to V2" in problem


def test_a_loader_that_knows_dt_relr_wants_the_marker_for_it(base: Root) -> None:
    put(base, LIBC, defines=[b"GLIBC_2.36", b"GLIBC_ABI_DT_RELR"])
    relr = [(elf.DT_RELR, 0)]
    server(base, needs={b"libc.so.6": [b"GLIBC_2.36"]}, extra_tags=relr)
    ((problem,), _) = check(base)
    assert "DT_RELR and no GLIBC_ABI_DT_RELR" in problem
    server(base, needs={b"libc.so.6": [b"GLIBC_ABI_DT_RELR"]}, extra_tags=relr)
    assert check(base) == ([], [])
    base.glibc(b"2.35")
    server(base, needs={b"libc.so.6": [b"GLIBC_2.36"]}, extra_tags=relr)
    assert check(base) == ([], [])


def test_the_marker_for_dt_relr_names_the_glibc_that_has_it(base: Root) -> None:
    server(base, needs={b"libc.so.6": [b"GLIBC_ABI_DT_RELR"]})
    assert check(base)[0][0].endswith("has GLIBC_ABI_DT_RELR (glibc 2.36).")


def test_a_message_is_one_short_line_whatever_the_names_are(base: Root) -> None:
    odd = [b"A\nB_%d\xff" % number for number in range(50)] + [b"V" * 5000, b"1." * 5000]
    server(base, needs={b"libc.so.6": odd})
    ((problem,), _) = check(base)
    assert len(problem) < 2000 and "\n" not in problem
    assert r"A?B_0\xff" in problem and "44 more" in problem


# Hostile tables.


def damaged(base: Root, **options: object) -> str:
    server(base, **options)
    ((problem,), _) = check(base)
    return problem


NEED: Needs = {b"libc.so.6": [b"GLIBC_2.36"]}


@pytest.mark.parametrize(
    ("needs", "form"),
    [
        (NEED, Format(version=2)),
        (NEED, Format(count=0)),
        (NEED, Format(next=1 << 30)),
        ({b"libc.so.6": [Name(b"GLIBC_2.36", next=1 << 30)]}, Format(count=2)),
        ({b"libc.so.6": [Name(b"GLIBC_2.36", next=1)]}, Format(count=0xFFFF)),
        ({b"libc.so.6": [Name(b"GLIBC_2.36", next=16)]}, Format()),
        (NEED, Format(next=1)),
    ],
)
def test_a_damaged_table_of_needed_versions_is_told(base: Root, needs: Needs, form: Format) -> None:
    problem = damaged(base, needs=needs, form=form)
    assert "/app/server: its table of symbol versions is damaged: " in problem


def test_an_address_outside_of_the_file_is_told(base: Root) -> None:
    problem = damaged(base, extra_tags=[(elf.DT_VERNEED, 1 << 40)])
    assert "no segment maps the address" in problem


@pytest.mark.parametrize("form", [Format(next=1 << 30), Format(next=4), Format(count=0)])
def test_a_damaged_table_of_definitions_matters_when_a_version_is_not_before_it(
    base: Root, form: Format
) -> None:
    put(base, LIBC, defines=[b"GLIBC_2.34", b"GLIBC_2.36"], form=form)
    server(base, needs={b"libc.so.6": [b"GLIBC_2.34"]})
    assert check(base) == ([], [])
    problem = damaged(base, needs={b"libc.so.6": [b"GLIBC_2.38"]})
    assert f"/app/server: that of {LIBC} is damaged: " in problem


def test_tables_without_end_are_bounded(base: Root) -> None:
    # Every record overlaps the one before it, and every name list goes on through all of them.
    count = 4 * MAX_RECORDS
    record = struct.pack("<HHIII", 1, 0xFFFF, 0, 16, 16)
    names = struct.pack("<IHHII", 0, 0, 0, 0, 16)
    for table in (record * count, (record + names) * count, names * count):
        spec = Spec(needed=[b"libc.so.6"], interp=GLIBC)
        raw = versioned(spec, {b"libc.so.6": [b"V"]}, form=Format(next=32)) + table
        raw = grown(raw, len(table))
        base.file("/app/server", raw, 0o755)
        problems, _ = check(base)
        assert len(problems) == 1 and "damaged" in problems[0]


def grown(raw: bytes, size: int) -> bytes:
    """The file with its one PT_LOAD longer by `size` bytes."""
    out = bytearray(raw)
    at = 64
    while struct.unpack_from("<I", out, at)[0] != elf.PT_LOAD:
        at += 56
    for field in (32, 40):
        value = struct.unpack_from("<Q", out, at + field)[0]
        struct.pack_into("<Q", out, at + field, value + size)
    return bytes(out)


MUTANTS = int(os.environ.get("MINIMG_VERSION_MUTANTS", "1500"))


def test_no_mutant_makes_anything_but_problems(base: Root) -> None:
    generator = random.Random(6)
    defines = [b"GLIBC_2.34", b"GLIBC_2.36", b"GLIBC_PRIVATE"]
    needs: Needs = {b"libc.so.6": [b"GLIBC_2.34", Name(b"GLIBC_2.99", WEAK), b"GLIBC_PRIVATE"]}
    spec = Spec(needed=[b"libc.so.6"], soname=b"libc.so.6", interp=GLIBC)
    sound = versioned(spec, needs, defines)
    sysroot = base.sysroot()
    slowest, problems, refused = 0.0, 0, 0
    tables = sound.rindex(b"libc.so.6\0GLIBC")
    for _ in range(MUTANTS):
        mutant = bytearray(sound)
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(*generator.choice([(64, len(sound)), (tables, len(sound))]))
            value = generator.choice([0, 1, 2, 0x10, 0x7F, 0xFF, generator.randrange(256)])
            mutant[place] = value
        del mutant[generator.choice([len(sound), generator.randrange(tables, len(sound))]) :]
        for path in ("/app/server", LIBC):
            base.file(path, bytes(mutant), 0o755)
        sysroot.forget()
        started = time.monotonic()
        try:
            closure = loader.resolve(sysroot, b"/app/server")
        except (MinimgError, elf.ElfError):
            refused += 1
            continue
        problems += len(symbol_versions.check(sysroot, closure)[0])
        slowest = max(slowest, time.monotonic() - started)
    print(f"{MUTANTS} mutants: {problems} problems, {refused} refused, {slowest:.3f} s the slowest")
    assert problems > MUTANTS // 10


# The real loader, and others who read these tables.


def built(folder: Path, name: str, source: str, *options: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source)
    subprocess.run([program("gcc"), "-o", path, code, *options], check=True, capture_output=True)
    return path


FUNCTIONS = "int f(void) { return 0; }\nint g(void) { return 0; }\n"
USES_LIBC = "int getpid(void);\nint f(void) { return 0; }\nint g(void) { return getpid() < 0; }\n"


class Pair:
    """A program, and the library that it was linked against: f@V1 and g@V2."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.library = self.build_library("libv.so.1", "V1 { f; }; V2 { g; };")
        main = "int f(void), g(void);\nint main(void) { return f() + g(); }\n"
        self.program = built(folder, "program", main, str(self.library), *options)

    def build_library(self, path: str, script: str, functions: str = FUNCTIONS) -> Path:
        extra = ["-shared", "-fPIC", "-Wl,-soname,libv.so.1"]
        if script:
            name = self.folder / "script"
            name.write_text(script)
            extra.append(f"-Wl,--version-script={name}")
        return built(self.folder, path, functions, *extra)

    def real(self) -> tuple[int, str]:
        """Exit status and standard error of the program."""
        environment = {"LD_LIBRARY_PATH": str(self.folder)}
        done = subprocess.run([self.program], env=environment, capture_output=True, timeout=60)
        return done.returncode, done.stderr.decode()

    def ours(self) -> tuple[list[str], list[str]]:
        sysroot = DirSysroot(b"/")
        path = os.fsencode(os.path.realpath(self.program))
        closure = loader.resolve(sysroot, path, ld_library_path=os.fsencode(self.folder))
        problems, warnings = symbol_versions.check(sysroot, closure)
        return [str(problem) for problem in problems], warnings


def flagged(path: Path, name: bytes, flags: int) -> None:
    """Sets vna_flags of the one version of that name that the program needs."""
    raw = path.read_bytes()
    record = struct.pack("=I", elf_hash(name))
    assert raw.count(record) == 1
    at = raw.index(record) + 4
    path.write_bytes(raw[:at] + struct.pack("=H", flags) + raw[at + 2 :])


def test_the_real_loader_starts_what_we_let_pass(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    assert pair.real() == (0, "")
    assert pair.ours() == ([], [])


def test_the_real_loader_stops_at_a_version_that_we_miss(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.build_library("libv.so.1", "V1 { f; g; };")
    status, said = pair.real()
    assert status == 1 and "version `V2' not found" in said
    ((problem,), warnings) = pair.ours()
    assert "it needs V2 of libv.so.1" in problem and "up to V1" in problem
    assert not warnings


def test_the_real_loader_only_warns_of_a_weak_version(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    flagged(pair.program, b"V2", WEAK)
    pair.build_library("libv.so.1", "V1 { f; g; };")
    _, said = pair.real()
    assert "weak version `V2' not found" in said
    problems, (warning,) = pair.ours()
    assert not problems and "has no V2" in warning


def test_the_real_loader_only_warns_of_a_library_without_versions(tmp_path: Path) -> None:
    # Of its own it needs some, as nearly all libraries do.
    pair = Pair(tmp_path)
    pair.build_library("libv.so.1", "", functions=USES_LIBC)
    status, said = pair.real()
    assert status == 0 and "no version information available" in said
    problems, (warning,) = pair.ours()
    assert not problems and warning.endswith(f" asks it for V1 and V2: {WARNS}")


def test_the_real_loader_stops_in_a_library_that_knows_no_versions(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.build_library("libv.so.1", "")
    status, said = pair.real()
    stops = status != 0
    assert "no version information available" in said and ("check_match" in said) == stops
    problems, (warning,) = pair.ours()
    assert not problems and warning.endswith(STOPS if stops else WARNS)


def test_the_real_loader_stops_at_versions_of_what_nothing_asks_for(tmp_path: Path) -> None:
    # NEEDED by a path, and the versions by the soname: what rewriting DT_NEEDED alone leaves.
    pair = Pair(tmp_path)
    sound = pair.program.read_bytes()
    with pair.program.open("rb") as file:
        strings = elf.read(file).tags[elf.DT_STRTAB]
    other = b"__libc_start_main"  # any other name in the table
    (tmp_path / other.decode()).symlink_to(pair.library)
    was, now = (
        struct.pack("=QQ", elf.DT_NEEDED, sound.index(name + b"\0") - strings)
        for name in (b"libv.so.1", other)
    )
    assert sound.count(was) == 1
    pair.program.write_bytes(sound.replace(was, now))
    status, said = pair.real()
    assert status != 0 and "dl-version.c" in said
    ((problem,), _) = pair.ours()
    assert "it has versions of libv.so.1, and nothing asks for" in problem


def test_the_real_loader_wants_the_marker_beside_dt_relr(tmp_path: Path) -> None:
    pair = Pair(tmp_path, "-Wl,-z,pack-relative-relocs", "-pie")
    with pair.program.open("rb") as file:
        if elf.DT_RELR not in elf.read(file).tags:
            unavailable("this linker makes no DT_RELR")
    assert pair.real() == (0, "")
    assert pair.ours() == ([], [])
    marker, other = b"GLIBC_ABI_DT_RELR", b"GLIBC_ABI_DT_REL_"
    flagged(pair.program, marker, WEAK)
    raw = pair.program.read_bytes().replace(marker, other)
    was, now = (struct.pack("=I", elf_hash(name)) for name in (marker, other))
    pair.program.write_bytes(raw.replace(was, now))
    status, said = pair.real()
    assert status != 0 and "DT_RELR without GLIBC_ABI_DT_RELR dependency" in said
    ((problem,), _) = pair.ours()
    assert "DT_RELR and no GLIBC_ABI_DT_RELR" in problem


def test_a_program_without_section_headers_is_checked_alike(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.build_library("libv.so.1", "V1 { f; g; };")
    expected = pair.ours()
    for path in (pair.program, pair.library):
        raw = bytearray(path.read_bytes())
        struct.pack_into("=Q", raw, 40, 1 << 50)  # e_shoff
        struct.pack_into("=HHH", raw, 58, 64, 0xFFFF, 0xFFFF)
        path.write_bytes(raw)
    assert pair.ours() == expected
    assert len(expected[0]) == 1


def test_every_program_of_this_machine_has_its_versions() -> None:
    sysroot = DirSysroot(b"/")
    checked, needs, warned, spent = 0, 0, set[str](), 0.0
    for folder in ("/usr/bin", "/usr/sbin"):
        for name in sorted(os.listdir(folder)):
            try:
                closure = loader.resolve(sysroot, os.fsencode(f"{folder}/{name}"), libgcc=True)
            except MinimgError:
                continue  # a script or a dangling link
            started = time.perf_counter()
            problems, warnings = symbol_versions.check(sysroot, closure)
            spent += time.perf_counter() - started
            assert not problems, problems
            checked += 1
            needs += closure.elf.dynamic
            warned |= set(warnings)
    print(f"{checked} programs, {needs} of them dynamic, {len(warned)} warnings, {spent:.2f} s")
    if not checked:
        unavailable("no ELF program in /usr/bin")


def test_pyelftools_finds_the_same_versions_by_section_headers() -> None:
    read_by_sections: Any = pytest.importorskip("elftools.elf.elffile").ELFFile
    folder = Path(f"/usr/lib/{os.uname().machine}-linux-gnu")
    compared = 0
    for path in itertools.islice(sorted(folder.glob("*.so*")), 150):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
            ours = elf.read(file)
            theirs: Any = read_by_sections(file)
            table = theirs.get_section_by_name(".gnu.version_r")
            expected = [
                (need.name.encode(), name.name.encode(), name["vna_hash"])
                for need, names in (table.iter_versions() if table else ())
                for name in names
            ]
            found = elf_versions.needs(file, ours)
            assert [(need.library, need.version, need.hash) for need in found] == expected
            table = theirs.get_section_by_name(".gnu.version_d")
            pairs = {
                (record["vd_hash"], next(names).name.encode())
                for record, names in (table.iter_versions() if table else ())
            }
            defined = elf_versions.definitions(file, ours)
            assert (defined.pairs if defined else frozenset()) == pairs
            assert defined is None or defined.damage is None
            compared += 1
    print(f"{compared} libraries compared")
    if not compared:
        unavailable(f"no libraries in {folder}")


def test_elftools_is_imported_only_for_a_table() -> None:
    code = (
        "import sys\n"
        "from pants_plugin_minimg.bundler.planning import symbol_versions, runtime\n"
        "sys.exit(any(name.startswith('elftools') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_reads_them_brings_no_debugger(base: Root) -> None:
    """Python's reads what the machine says of its terminals (3.13), and is the real one later."""
    server(base, needs={b"libc.so.6": [b"GLIBC_2.34"]})
    code = (
        "import sys\n"
        "from pants_plugin_minimg.bundler import loader\n"
        "from pants_plugin_minimg.bundler.planning import symbol_versions\n"
        "from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot\n"
        "sysroot = DirSysroot(sys.argv[1].encode())\n"
        "closure = loader.resolve(sysroot, b'/app/server')\n"
        "assert symbol_versions.check(sysroot, closure) == ([], [])\n"
        "assert 'elftools.construct' in sys.modules\n"
        "assert not {'pdb', 'bdb', 'readline'} & set(sys.modules)\n"
        "import pprint, elftools.construct.debug\n"
        "assert pprint.PrettyPrinter and elftools.construct.debug.pdb.Pdb\n"
    )
    subprocess.run([sys.executable, "-c", code, str(base.folder)], check=True)
