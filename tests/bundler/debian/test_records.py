"""The records for scanners, and what packages of one image need of each other."""

from __future__ import annotations

from pants_plugin_minimg.bundler.debian import depends, licences, records
from pants_plugin_minimg.bundler.debian.package import Package, fields, read

_CONTROL = """Package: git
Status: install ok installed
Maintainer: A Person <person@mirror.test>
Architecture: amd64
Version: 1:2.0-1
Source: git-core (1:2.0)
Depends: libc6 (>= 2.34)
Conffiles:
 /etc/git 0123456789abcdef0123456789abcdef
 /etc/other 0123456789abcdef0123456789abcdef obsolete
Description: a program
 Status: this line is text
Homepage: https://git.test/
"""


def _package(control: str = _CONTROL, **sums: str) -> Package:
    md5sums = {path.encode(): digest for path, digest in sums.items()}
    return read(control, "control", md5sums)


def _never(path: bytes) -> str:
    raise AssertionError(path)


def test_the_record_is_the_stanza_without_what_the_database_adds() -> None:
    ((path, content), _) = records.records({_package(): []}, _never)
    assert path == b"/var/lib/dpkg/status.d/git"
    expected = "".join(
        line + "\n"
        for line in _CONTROL.splitlines()
        if not line.startswith(("Status", "Conffiles", " /etc"))
    )
    assert content.decode() == expected
    assert " Status: this line is text\n" in expected
    assert fields(content.decode())["version"] == "1:2.0-1"


def test_the_sums_are_those_of_the_shipped_files_alone() -> None:
    package = _package(**{"/usr/bin/git": "a" * 32, "/usr/bin/left-out": "b" * 32})
    shipped = {package: [b"/usr/lib/made", b"/usr/bin/git"]}
    _, (path, content) = records.records(shipped, lambda path: {b"/usr/lib/made": "c" * 32}[path])
    assert path == b"/var/lib/dpkg/status.d/git.md5sums"
    assert content.decode() == f"{'a' * 32}  usr/bin/git\n{'c' * 32}  usr/lib/made\n"


def test_a_package_is_the_same_whatever_it_lists() -> None:
    bare, other = _package(), _package(_CONTROL.replace("2.0-1", "2.0-2"))
    full = bare.with_md5sums({b"/a": "a" * 32})
    assert full.md5sums and {bare: 1}[full] == 1
    assert bare != other and bare != "git"


def test_the_order_of_packages_and_files_does_not_matter() -> None:
    one = _package(**{"/a": "a" * 32, "/b": "b" * 32})
    two = _package(_CONTROL.replace("git", "less"))
    there = records.records({one: [b"/a", b"/b"], two: []}, _never)
    back = records.records({two: [], one: [b"/b", b"/a"]}, _never)
    assert there == back == sorted(there)
    assert records.as_json({one: [b"/a"], two: []}, "") == records.as_json(
        {two: [], one: [b"/a"]}, ""
    )


def test_two_architectures_of_one_package_have_records_of_their_own() -> None:
    native, foreign = _package(), _package(_CONTROL.replace("amd64", "i386"))
    other = _package(_CONTROL.replace("git", "less"))
    folder = records.FOLDER + b"/"
    paths = [path for path, _ in records.records({foreign: [], native: [], other: []}, _never)]
    assert paths == [
        folder + name
        for name in (
            *(b"git:amd64", b"git:amd64.md5sums", b"git:i386", b"git:i386.md5sums"),
            *(b"less", b"less.md5sums"),
        )
    ]


def test_the_licence_file_is_named_by_the_package() -> None:
    assert records.copyright_path(_package()) == b"/usr/share/doc/git/copyright"


def test_a_plan_holds_packages_as_plain_data() -> None:
    (raw,) = records.as_json({_package(): [b"/usr/bin/\xff", b"/a"]}, "debian-12")
    assert raw["files"] == ["/a", "/usr/bin/\\xff"]
    assert (raw["source_name"], raw["source_version"]) == ("git-core", "1:2.0")
    assert raw["distro"] == "debian-12"
    assert "Conffiles" not in raw["control"]


def _stanza(name: str, architecture: str = "amd64", **more: str) -> dict[str, str]:
    return {"package": name, "architecture": architecture, **more}


def test_depends_are_those_of_the_packages_that_are_there() -> None:
    packages = [
        _stanza("git", depends="libc6 (>= 2.34), perl, missing", **{"pre-depends": "dpkg:any"}),
        _stanza("libc6"),
        _stanza("dpkg"),
    ]
    assert depends.within(packages) == [("dpkg:amd64", "libc6:amd64"), (), ()]


def test_an_alternative_and_a_provider_are_found() -> None:
    packages = [
        _stanza("tool", depends="gone | mailer, editor | vim"),
        _stanza("postfix", provides="mailer (= 1)"),
        _stanza("vim", provides="editor"),
        _stanza("nano", provides="editor"),
    ]
    assert depends.within(packages)[0] == ("postfix:amd64", "vim:amd64")


def test_the_package_of_the_same_architecture_is_needed() -> None:
    packages = [
        _stanza("tool", "i386", depends="libc6, data"),
        _stanza("libc6"),
        _stanza("libc6", "i386"),
        _stanza("data", "all"),
    ]
    assert depends.within(packages)[0] == ("data:all", "libc6:i386")


def test_packages_that_need_each_other_and_relations_that_nobody_can_read_do_no_harm() -> None:
    packages = [
        _stanza("one", depends="two, one"),
        _stanza("two", depends="one"),
        _stanza("three", depends="((("),
    ]
    assert depends.within(packages) == [("two:amd64",), ("one:amd64",), ()]


_DEP5 = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tool

Files: *
Copyright: 2020 A Person
License: GPL-2+ or
 Artistic

Files: debian/*
Copyright: 2020 A Person
License: Expat
 Permission is hereby granted

License: GPL-2+
 On Debian systems the text is elsewhere.
"""


def test_licences_are_read_where_a_machine_can_read_them() -> None:
    found = licences.names(_DEP5.encode())
    assert "Expat" in found and len(found) == 2
    assert found == tuple(sorted(found))


def test_free_text_names_no_licence() -> None:
    assert licences.names(b"This is free software under the License: GPL-2.\n") == ()
    assert licences.names(b"") == ()


def test_a_damaged_copyright_file_does_no_harm() -> None:
    for content in (
        b"Format: \xff\xfe\n\n\nLicense",
        _DEP5.encode()[:200],
        b"Format:\n" + b"\0" * 99,
    ):
        licences.names(content)
