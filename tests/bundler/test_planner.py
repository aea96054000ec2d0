"""From a request to a plan, over file systems that the tests make."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.loader import cachefile
from pants_plugin_minimg.bundler.plan import Entry, Plan
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot

from .elf_builder import GLIBC, Spec, build
from .rootfs import Root

MUSL = b"/lib/ld-musl-x86_64.so.1"


class Bench:
    """A merged-/usr root with a C library, a folder for what the build made, and a planner."""

    def __init__(self, root: Root, tmp_path: Path) -> None:
        self.root, self.tmp_path = root, tmp_path
        self.trees: list[dict[str, Any]] = []
        for name in ("bin", "lib", "lib64"):
            root.directory(f"/usr/{name}")
            root.link(f"/{name}", f"usr/{name}")
        root.glibc()
        root.elf("/usr/lib/tri/libc.so.6", soname=b"libc.so.6")

    def tree(self, role: str, files: dict[str, bytes], **fields: Any) -> dict[str, Any]:
        """What a target built. A name that ends in `*` is executable."""
        folder = self.tmp_path / "trees" / str(len(self.trees))
        folder.mkdir(parents=True)
        for name, content in files.items():
            path = folder / name.rstrip("*")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if name.endswith("*") else 0o644)
        tree = {"root": str(folder), "origin": f"//t:{len(self.trees)}", "role": role, **fields}
        self.trees.append(tree)
        return tree

    def program(self, path: str, *needed: bytes, **fields: Any) -> None:
        self.root.program(path, *needed, b"libc.so.6", **fields)

    def plan(self, sysroot: Sysroot | None = None, **fields: Any) -> Plan:
        fields.setdefault("trees", self.trees)
        raw = {"version": 1, "address": "//t:image", **fields}
        wanted = request.parse({**raw, "sysroot": {"kind": "dir", "root": str(self.root.folder)}})
        scratch = self.tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return planner.build(
            wanted, sysroot or self.root.sysroot(), str(scratch), str(self.tmp_path / "blobs")
        )

    def errors(self, **fields: Any) -> list[MinimgError]:
        with pytest.raises(Problems) as caught:
            self.plan(**fields)
        return list(caught.value.errors)

    def codes(self, **fields: Any) -> list[str]:
        return [error.code for error in self.errors(**fields)]


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    return Bench(root, tmp_path)


def _entries(plan: Plan) -> dict[str, Entry]:
    return {entry.path.decode(): entry for entry in plan.entries}


def _program(*needed: bytes, **fields: Any) -> bytes:
    return build(Spec(needed=(*needed, b"libc.so.6"), interp=GLIBC, **fields))


STATIC = build(Spec(dynamic=False, e_type=2))


def test_a_static_program_is_the_only_entry_of_the_only_layer(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    plan = bench.plan()
    assert list(_entries(plan)) == ["/server"]
    assert list(plan.layers()) == [3]
    assert plan.entrypoint == ["/server"]
    assert plan.platform == {"os": "linux", "architecture": "amd64"}
    assert _entries(plan)["/server"].mode == 0o755


def test_both_ends_of_every_link_are_in_the_image(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/libz.so.1.2", soname=b"libz.so.1")
    bench.root.link("/usr/lib/tri/libz.so.1", "libz.so.1.2")
    bench.program("/usr/bin/tool", b"libz.so.1")
    entries = _entries(bench.plan(executables=["/bin/tool"]))
    assert entries["/bin"].target == b"usr/bin"
    assert entries["/lib"].target == b"usr/lib"
    assert entries["/usr/lib/tri/libz.so.1"].target == b"libz.so.1.2"
    assert entries["/usr/lib/tri/libz.so.1.2"].kind == "file"
    assert entries["/usr/bin/tool"].kind == "file"
    assert any("libz.so.1" in reason for reason in entries["/usr/lib/tri/libz.so.1.2"].reasons)


def test_a_directory_that_a_path_leads_out_of_again_is_there(bench: Bench) -> None:
    bench.root.elf("/opt/app/lib/libown.so", soname=b"libown.so")
    bench.root.directory("/opt/app/plugins")
    bench.program("/opt/app/bin/tool", b"libown.so", runpath=b"$ORIGIN/../plugins/../lib")
    entries = _entries(bench.plan(executables=["/opt/app/bin/tool"]))
    assert entries["/opt/app/plugins"].kind == "dir"
    assert "/opt/app/bin" not in entries  # implied by what is in it


def test_the_lowest_layer_is_the_same_whatever_the_program(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/libz.so.1", b"libc.so.6", soname=b"libz.so.1")
    bench.program("/usr/bin/one")
    bench.program("/usr/bin/two", b"libz.so.1")
    layers = [
        [entry.projected() for entry in bench.plan(executables=[path]).layers()[1]]
        for path in ("/usr/bin/one", "/bin/two")
    ]
    assert layers[0] == layers[1]
    paths = {entry["path"] for entry in layers[0]}
    assert "/usr/lib/tri/libc.so.6" in paths and "/lib64" in paths


def test_a_missing_library_names_itself_who_asked_and_where_it_was_looked_for(
    bench: Bench,
) -> None:
    bench.program("/usr/bin/tool", b"libgone.so.3")
    (error,) = bench.errors(executables=["/usr/bin/tool"])
    assert error.code == "MINIMG-E004"
    for part in ("libgone.so.3", "/usr/bin/tool", "/usr/lib/tri"):
        assert part in str(error)


def test_a_missing_library_may_be_allowed(bench: Bench) -> None:
    bench.program("/usr/bin/tool", b"libgone.so.3")
    plan = bench.plan(executables=["/usr/bin/tool"], allowed_missing=["libgone.so.3"])
    assert any("libgone.so.3" in line for line in plan.log)


def test_all_problems_are_reported_together(bench: Bench) -> None:
    bench.program("/usr/bin/tool", b"liba.so", b"libb.so")
    codes = bench.codes(executables=["/usr/bin/tool", "/usr/bin/none"], include=["/usr/nothing*"])
    assert codes == ["MINIMG-E004", "MINIMG-E004", "MINIMG-E002", "MINIMG-E009"]


def test_a_program_and_its_own_library_by_origin(bench: Bench) -> None:
    bench.tree(
        "program",
        {
            "bin/hello*": _program(b"libown.so", runpath=b"$ORIGIN/../lib"),
            "lib/libown.so*": build(Spec(soname=b"libown.so")),
            "share/text": b"text",
        },
        path="/opt/app",
    )
    plan = bench.plan(install_to="/opt/app")
    entries = _entries(plan)
    assert plan.entrypoint == ["/opt/app/bin/hello"]
    assert [path.decode() for path in plan.programs] == ["/opt/app/bin/hello"]
    assert entries["/opt/app/lib/libown.so"].layer == 3
    assert entries["/opt/app/share/text"].mode == 0o644


def test_several_outputs_without_a_program_are_listed(bench: Bench) -> None:
    bench.tree("program", {"a.txt": b"a", "b.txt*": b"b"})
    (error,) = bench.errors()
    assert error.code == "MINIMG-E016"
    assert "a.txt" in str(error) and "b.txt" in str(error) and "//t:0" in str(error)


def test_no_output_at_all(bench: Bench) -> None:
    bench.tree("program", {})
    assert bench.codes() == ["MINIMG-E016"]


def test_an_archive_is_unpacked(bench: Bench) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, mode, content in (("app/run", 0o755, STATIC), ("app/data", 0o644, b"data")):
            info = tarfile.TarInfo(name)
            info.mode, info.size = mode, len(content)
            archive.addfile(info, io.BytesIO(content))
    bench.tree("program", {"dist.tar.gz": buffer.getvalue()})
    assert list(_entries(bench.plan())) == ["/app/data", "/app/run"]


def test_what_the_build_says_of_executables_counts_and_not_the_mode(bench: Bench) -> None:
    bench.tree("program", {"run*": STATIC, "data*": b"#!data"}, executable=["run"])
    entries = _entries(bench.plan())
    assert (entries["/run"].mode, entries["/data"].mode) == (0o755, 0o644)


def test_a_script_brings_its_interpreter(bench: Bench) -> None:
    bench.program("/usr/bin/dash")
    bench.root.link("/usr/bin/sh", "dash")
    bench.tree("program", {"run.sh*": b"#!/bin/sh\nexit 0\n"})
    entries = _entries(bench.plan())
    assert entries["/usr/bin/sh"].target == b"dash"
    assert entries["/usr/bin/dash"].kind == "file"
    assert entries["/bin"].kind == "link"


def test_a_script_without_its_interpreter(bench: Bench) -> None:
    bench.tree("program", {"run.sh*": b"#!/bin/none\nexit 0\n"})
    (error,) = bench.errors()
    assert error.code == "MINIMG-E006" and "/bin/none" in str(error)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda root: root.file("/usr/bin/x", b"text", 0o755), "MINIMG-E003"),
        (lambda root: root.file("/usr/bin/x", STATIC, 0o644), "MINIMG-E003"),
        (lambda root: root.elf("/usr/bin/x", soname=b"libx.so"), "MINIMG-E003"),
        (lambda root: root.directory("/usr/bin/x"), "MINIMG-E003"),
        (lambda root: root.link("/usr/bin/x", "x"), "MINIMG-E007"),
        (lambda root: root.file("/usr/bin/x", STATIC, 0o4755), "MINIMG-E013"),
        (lambda root: root.program("/usr/bin/x", interp=b"/lib/ld-none.so"), "MINIMG-E006"),
        (lambda root: root.file("/usr/bin/x", STATIC[:20], 0o755), "MINIMG-E003"),
        (lambda root: root.link("/usr/bin/x", "/lib64/ld-linux-x86-64.so.2/y"), "MINIMG-E012"),
        (lambda root: root.link("/usr/bin/x", "/none"), "MINIMG-E002"),
    ],
)
def test_what_is_no_program(bench: Bench, make: Any, code: str) -> None:
    make(bench.root)
    assert bench.codes(executables=["/usr/bin/x"]) == [code]


def test_a_file_that_the_loader_refuses_is_named(bench: Bench) -> None:
    bench.root.file("/usr/lib/tri/libscript.so", b"INPUT(libreal.so)\n")
    bench.program("/usr/bin/tool", b"libscript.so")
    (error,) = bench.errors(executables=["/usr/bin/tool"])
    assert error.code == "MINIMG-E005" and "libscript.so" in str(error)


def test_two_architectures_in_one_image(bench: Bench) -> None:
    bench.root.file("/usr/bin/x86", STATIC, 0o755)
    bench.root.file("/usr/bin/arm", build(Spec(dynamic=False, e_type=2, machine=183)), 0o755)
    codes = bench.codes(executables=["/usr/bin/x86", "/usr/bin/arm"], entrypoint=["/usr/bin/x86"])
    assert "MINIMG-E008" in codes


def test_include_brings_trees_links_and_closures(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.root.file("/usr/share/app/a.txt", b"a")
    bench.root.file("/usr/share/app/deep/b.txt", b"b")
    bench.root.link("/usr/share/app/link", "../other/c.txt")
    bench.root.file("/usr/share/other/c.txt", b"c")
    bench.root.elf("/usr/share/app/plugin.so", b"libdep.so")
    bench.root.elf("/usr/lib/tri/libdep.so", soname=b"libdep.so")
    entries = _entries(bench.plan(include=["/usr/share/app"], exclude=["/usr/share/app/deep"]))
    assert "/usr/share/app/deep/b.txt" not in entries
    assert entries["/usr/share/app/link"].target == b"../other/c.txt"
    assert entries["/usr/share/other/c.txt"].kind == "file"
    assert entries["/usr/lib/tri/libdep.so"].kind == "file"
    assert entries["/usr/share/app/a.txt"].layer == 2


def test_exclude_may_not_take_what_is_needed(bench: Bench) -> None:
    bench.program("/usr/bin/tool")
    codes = bench.codes(executables=["/usr/bin/tool"], exclude=["/usr/lib/**/libc.so*"])
    assert codes == ["MINIMG-E010"]


def test_a_device_or_pipe_is_refused(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.root.directory("/run")
    os.mkfifo(bench.root.on_disk("/run/pipe"))
    assert bench.codes(include=["/run/*"]) == ["MINIMG-E013"]


def test_whiteout_names_are_refused(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.root.file("/usr/share/.wh.thing")
    assert bench.codes(include=["/usr/share/.wh*"]) == ["MINIMG-E013"]


def test_files_and_directories_have_their_modes_and_owners(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"config": b"x=1"}, path="/etc/app.toml", mode="0640", owner="0:65532")
    plan = bench.plan(directories={"/data": "0750 65532:65532", "/bin/extra": ""})
    entries = _entries(plan)
    config, data = entries["/etc/app.toml"], entries["/data"]
    assert (config.mode, config.uid, config.gid) == (0o640, 0, 65532)
    assert (data.kind, data.mode, data.uid, data.gid) == ("dir", 0o750, 65532, 65532)
    assert entries["/usr/bin/extra"].mode == 0o755  # through the link /bin


def test_two_files_for_one_path(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"a": b"a"}, path="/etc/x")
    bench.tree("file", {"b": b"b"}, path="/etc/x")
    (error,) = bench.errors()
    assert error.code == "MINIMG-E011" and "//t:1" in str(error) and "//t:2" in str(error)


def test_the_same_file_twice_is_no_conflict(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"a": b"a"}, path="/etc/x")
    bench.tree("file", {"b": b"a"}, path="/etc/x")
    assert "/etc/x" in _entries(bench.plan())


@pytest.mark.parametrize("spec", ["0777", "0772 1:1"])
def test_a_folder_that_everybody_may_change(bench: Bench, spec: str) -> None:
    bench.tree("program", {"server*": STATIC})
    assert bench.codes(directories={"/data": spec}) == ["MINIMG-E013"]


@pytest.mark.parametrize("spec", ["1777", "0775 1:1"])
def test_a_folder_where_each_file_is_its_owners(bench: Bench, spec: str) -> None:
    bench.tree("program", {"server*": STATIC})
    assert "/data" in _entries(bench.plan(directories={"/data": spec}))


def test_a_file_that_everybody_may_write_to(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"a": b"a"}, path="/etc/a", mode="0666")
    assert bench.codes() == ["MINIMG-E013"]


def test_a_path_below_a_file(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"a": b"a"}, path="/server/etc")
    assert "MINIMG-E012" in bench.codes()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"entrypoint": ["/none"]}, "MINIMG-E014"),
        ({"entrypoint": ["/etc/passwd"]}, "MINIMG-E014"),
        ({"entrypoint": ["none"]}, "MINIMG-E014"),
        ({"healthcheck": ["/none", "--healthy"]}, "MINIMG-E014"),
        ({"healthcheck": ["/etc/passwd"]}, "MINIMG-E014"),
        ({"user": "nobody"}, "MINIMG-E015"),
        ({"user": "app:staff"}, "MINIMG-E015"),
    ],
)
def test_the_process_is_checked_on_the_plan(
    bench: Bench, fields: dict[str, Any], code: str
) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"p": b"root:x:0:0::/:\napp:x:1:1::/:\n"}, path="/etc/passwd")
    assert bench.codes(**fields) == [code]


@pytest.mark.parametrize(
    "fields",
    [
        {"entrypoint": ["server"], "env": {"PATH": "/x:/"}},
        {"entrypoint": ["./server"]},
        {"user": "app"},
        {"user": "1000:1000"},
        {"cmd": ["--flag"]},
    ],
)
def test_a_process_that_starts(bench: Bench, fields: dict[str, Any]) -> None:
    bench.tree("program", {"server*": STATIC})
    bench.tree("file", {"p": b"root:x:0:0::/:\napp:x:1:1::/:\n"}, path="/etc/passwd")
    assert bench.plan(**fields).entrypoint


def test_two_programs_need_an_entrypoint(bench: Bench) -> None:
    bench.program("/usr/bin/one")
    bench.program("/usr/bin/two")
    (error,) = bench.errors(executables=["/usr/bin/one", "/usr/bin/two"])
    assert error.code == "MINIMG-E014"
    assert "/usr/bin/one" in str(error) and "/usr/bin/two" in str(error)


def test_the_only_program_of_extra_binaries_is_started(bench: Bench) -> None:
    bench.tree("program", {"helper*": STATIC}, primary=False)
    assert bench.plan().entrypoint == ["/helper"]
    bench.tree("program", {"other*": STATIC}, primary=False)
    assert bench.codes(user="nobody") == ["MINIMG-E014", "MINIMG-E015"]


def test_preloaded_libraries_come_with_the_file_that_names_them(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/libpre.so", soname=b"libpre.so")
    bench.root.file("/etc/ld.so.preload", b"/lib/tri/libpre.so\n")
    bench.program("/usr/bin/tool")
    entries = _entries(bench.plan(executables=["/usr/bin/tool"]))
    assert {"/etc/ld.so.preload", "/usr/lib/tri/libpre.so"} <= set(entries)


def test_a_packed_program_is_said_to_hide_its_libraries(bench: Bench) -> None:
    packed = build(Spec(dynamic=False, e_type=2, payload=b"UPX!" + bytes(32)))
    bench.tree("program", {"server*": packed})
    assert any("packed with UPX" in line for line in bench.plan().log)
    plain = bench.tree("program", {"plain*": STATIC})
    assert not bench.plan(trees=[plain]).log


def test_a_mode_that_a_field_gives_stays_for_a_directory_that_is_passed(bench: Bench) -> None:
    bench.root.elf("/opt/app/lib/libown.so", soname=b"libown.so")
    bench.root.directory("/opt/app/plugins")
    bench.program("/opt/app/bin/tool", b"libown.so", runpath=b"$ORIGIN/../plugins/../lib")
    plan = bench.plan(executables=["/opt/app/bin/tool"], directories={"/opt/app/plugins": "0700"})
    assert _entries(plan)["/opt/app/plugins"].mode == 0o700


def test_libgcc_comes_on_its_trigger(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/libgcc_s.so.1", soname=b"libgcc_s.so.1")
    bench.program("/usr/bin/tool", imports=[b"pthread_cancel"])
    entries = _entries(bench.plan(executables=["/usr/bin/tool"]))
    (reason,) = entries["/usr/lib/tri/libgcc_s.so.1"].reasons
    assert "pthread_cancel" in reason


def test_extra_libraries_are_found_or_refused(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/libplugin.so", b"libdep.so")
    bench.root.elf("/usr/lib/tri/libdep.so")
    bench.program("/usr/bin/tool")
    plan = bench.plan(executables=["/usr/bin/tool"], extra_libraries=["libplugin.so"])
    assert {"/usr/lib/tri/libplugin.so", "/usr/lib/tri/libdep.so"} <= set(_entries(plan))
    codes = bench.codes(executables=["/usr/bin/tool"], extra_libraries=["libnone.so"])
    assert codes == ["MINIMG-E004"]


def test_a_library_that_only_the_cache_knows_brings_a_cache(bench: Bench) -> None:
    bench.root.elf("/opt/odd/libodd.so.1", soname=b"libodd.so.1")
    bench.program("/usr/bin/tool", b"libodd.so.1")
    header = bench.root.resolve("/usr/bin/tool").elf.header
    cache = cachefile.render({b"libodd.so.1": b"/opt/odd/libodd.so.1"}, header)
    bench.root.file("/etc/ld.so.cache", cache)
    plan = bench.plan(executables=["/usr/bin/tool"])
    entry = _entries(plan)["/etc/ld.so.cache"]
    assert entry.origin == "generated" and "libodd.so.1" in entry.reasons[0]
    assert (bench.tmp_path / "blobs" / str(entry.content)).read_bytes() == cache


def test_no_cache_is_written_when_none_is_needed(bench: Bench) -> None:
    bench.program("/usr/bin/tool")
    header = bench.root.resolve("/usr/bin/tool").elf.header
    cache = cachefile.render({b"libc.so.6": b"/lib/tri/libc.so.6"}, header)
    bench.root.file("/etc/ld.so.cache", cache)
    assert "/etc/ld.so.cache" not in _entries(bench.plan(executables=["/usr/bin/tool"]))


def test_hard_links_stay_one_file(bench: Bench) -> None:
    bench.root.elf("/usr/lib/tri/liba.so", soname=b"liba.so")
    bench.root.hardlink("/usr/lib/tri/libb.so", "/usr/lib/tri/liba.so")
    bench.tree("program", {"server*": STATIC})
    entries = _entries(bench.plan(include=["/usr/lib/tri/lib[ab].so"]))
    assert entries["/usr/lib/tri/liba.so"].kind == "file"
    assert entries["/usr/lib/tri/libb.so"].kind == "hardlink"
    assert entries["/usr/lib/tri/libb.so"].target == b"/usr/lib/tri/liba.so"


def test_programs_are_packed_and_libraries_are_not(bench: Bench) -> None:
    bench.program("/usr/bin/tool", e_type=2)
    plan = bench.plan(executables=["/usr/bin/tool"], pack=True)
    assert list(plan.pack.values()) == [b"/usr/bin/tool"]
    assert not bench.plan(executables=["/usr/bin/tool"], pack=False).pack


def test_a_reason_or_an_address_is_in_no_layer(bench: Bench) -> None:
    bench.tree("program", {"server*": STATIC})
    plan = bench.plan()
    before = [entry.projected() for entry in plan.layers()[3]]
    for entry in plan.entries:
        entry.reasons.append("another")
        entry.origin = "//another:address"
    assert [entry.projected() for entry in plan.layers()[3]] == before


def test_the_request_must_be_of_this_version(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    for content in ("{}", '{"version": 2}', "[]", "no json", '{"version": 1, "address": 1}'):
        path.write_text(content)
        if content == '{"version": 1, "address": 1}':
            continue
        with pytest.raises(MinimgError) as caught:
            request.load(str(path))
        assert caught.value.code == "MINIMG-E001"


def test_file_capabilities_are_not_lost_in_silence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.program("/usr/bin/ping")
    monkeypatch.setattr(os, "listxattr", lambda path, follow_symlinks: ["security.capability"])
    errors = [error for error in bench.errors(executables=["/usr/bin/ping"])]
    assert "MINIMG-E013" in {error.code for error in errors}
    assert "security.capability" in str(errors[0])


def test_labels_of_the_machine_are_no_loss(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.program("/usr/bin/ping")
    monkeypatch.setattr(os, "listxattr", lambda path, follow_symlinks: ["security.selinux"])
    assert bench.plan(executables=["/usr/bin/ping"])


def test_presets_lie_in_the_last_layer_at_canonical_places(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    bench.root.directory("/real")
    bench.root.link("/etc", "real")
    plan = bench.plan(executables=["/usr/bin/app"], presets=["passwd"], user="1000:1000")
    entries = _entries(plan)
    assert entries["/etc"].target == b"real"
    assert entries["/real/passwd"].layer == 3
    assert entries["/home/app"].kind == "dir"
    assert (entries["/home/app"].uid, entries["/home/app"].mode) == (1000, 0o700)
    passwd = (bench.tmp_path / "blobs" / str(entries["/real/passwd"].content)).read_text()
    assert "app:x:1000:1000:" in passwd


def test_a_preset_and_a_file_of_the_user_contradict(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    bench.tree("file", {"passwd": b"root:x:0:0::/:\n"}, path="/etc/passwd")
    assert bench.codes(executables=["/usr/bin/app"], presets=["passwd"]) == ["MINIMG-E011"]


def test_a_preset_that_cannot_be_made(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    errors = bench.codes(executables=["/usr/bin/app"], presets=["ca-certificates", "none"])
    assert errors == ["MINIMG-E018", "MINIMG-E030"]


def _with_database(bench: Bench) -> None:
    for package, paths in {
        "app": "/usr/bin/app\n/usr/share/doc/app/copyright\n",
        "libc6": "/lib/tri/libc.so.6\n/usr/share/doc/libc6\n",
        "base-files": "/etc/os-release\n/usr/share/doc/base-files/copyright\n",
    }.items():
        bench.root.file(f"/var/lib/dpkg/info/{package}.list", f"/.\n{paths}".encode())
    stanzas = [
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        for name, version in (("app", "1"), ("libc6", "2.36-9"), ("base-files", "12.4"))
    ]
    bench.root.file("/var/lib/dpkg/status", "\n".join(stanzas).encode())
    bench.root.file("/usr/share/doc/app/copyright", b"Licence of app.\n")
    bench.root.file("/usr/share/doc/common/copyright", b"Licence of libc.\n")
    bench.root.link("/usr/share/doc/libc6", "common")
    bench.root.file("/etc/os-release", b"ID=debian\nVERSION_ID=12\n")


def test_an_image_says_which_packages_it_holds(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    _with_database(bench)
    plan = bench.plan(executables=["/usr/bin/app"], package_records=True)
    entries = _entries(plan)
    records = {path for path, entry in entries.items() if entry.layer == 3}
    assert records == {
        "/etc/os-release",
        "/usr/share/doc/app/copyright",
        "/usr/share/doc/common/copyright",
        "/usr/share/doc/libc6",
        *(
            f"/var/lib/dpkg/status.d/{name}{end}"
            for name in ("app", "base-files", "libc6")
            for end in ("", ".md5sums")
        ),
    }
    blobs = bench.tmp_path / "blobs"
    status = (blobs / str(entries["/var/lib/dpkg/status.d/libc6"].content)).read_text()
    assert "Version: 2.36-9\n" in status and "Status:" not in status
    sums = (blobs / str(entries["/var/lib/dpkg/status.d/app.md5sums"].content)).read_text()
    assert [line.split("  ")[1] for line in sums.splitlines()] == [
        "usr/bin/app",
        "usr/share/doc/app/copyright",
    ]
    assert {package["name"]: package["version"] for package in plan.packages} == {
        "app": "1",
        "base-files": "12.4",
        "libc6": "2.36-9",
    }


def test_without_records_the_packages_are_known_all_the_same(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    _with_database(bench)
    plan = bench.plan(executables=["/usr/bin/app"], package_records=False)
    assert not [path for path, entry in _entries(plan).items() if entry.layer == 3]
    assert [package["name"] for package in plan.packages] == ["app", "libc6"]


def test_the_lower_layers_are_the_same_with_and_without_records(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    _with_database(bench)
    both = [
        bench.plan(executables=["/usr/bin/app"], package_records=wanted) for wanted in (True, False)
    ]
    lower = [
        [[entry.projected() for entry in plan.layers()[number]] for number in (1, 2)]
        for plan in both
    ]
    assert lower[0] == lower[1]


def test_a_program_of_another_architecture_than_the_sysroot(bench: Bench) -> None:
    bench.program("/usr/bin/app")
    sysroot = {"kind": "dir", "root": str(bench.root.folder), "architecture": "arm64"}
    raw = {"version": 1, "address": "//t:image", "executables": ["/usr/bin/app"]}
    wanted = request.parse({**raw, "sysroot": sysroot})
    (bench.tmp_path / "scratch").mkdir()
    with pytest.raises(Problems, match="MINIMG-E008 /usr/bin/app: it is linux/amd64, and .*arm64"):
        planner.build(
            wanted,
            bench.root.sysroot(),
            str(bench.tmp_path / "scratch"),
            str(bench.tmp_path / "blobs"),
        )
