"""Every form of a field's value, by examples of what is fine and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pants_plugin_minimg.fields import forms

FINE: list[tuple[Callable[..., Iterator[forms.Complaint]], list[str]]] = [
    (forms.path, ["/a", "/usr/bin/git", "/with space", "/ünï", "/a.b..c"]),
    (forms.folder, ["/", "/data", "/data/"]),
    (forms.glob, ["/usr/share/**", "/usr/lib/lib*.so.?", "/a/[a-c]"]),
    (forms.library, ["libc.so.6", "/opt/lib/libx.so"]),
    (forms.user, ["0", "65532:65532", "nobody", "www-data:www-data", "4294967294", "a$:1", "1:a"]),
    (forms.port, ["1", "8080", "65535", "53/udp", "53/tcp", "9/sctp"]),
    (forms.stop_signal, ["SIGTERM", "SIGRTMIN+3", "15", "1", "64"]),
    (forms.label, ["org.example", "a"]),
    (forms.tag, ["latest", "1.2.3", "_x", "A-b", "x" * 128]),
    (forms.repository, ["a", "tools/hlint_image", "a/b.c/d__e/f---g", "x" * 255]),
    (forms.template, ["{name}", "x/{directory}/{name}", "{full_directory}", "plain", "{env.A_1}"]),
    (
        forms.registry,
        ["example.org", "a", "A-b.C:5000", "127.0.0.1:80", "[::1]:5000", "r.example.net/a/b"],
    ),
    (forms.registry_choice, ["@main", "example.org:5000", "<all default registries>"]),
]

BAD: list[tuple[Callable[..., Iterator[forms.Complaint]], list[str]]] = [
    (forms.path, ["", "a", "/", "//", "/a/", "/../a", "/a/./b", "/a\nb", "/a\0", "./a"]),
    (forms.folder, ["", "data", "/a/..", "/a\t"]),
    (forms.glob, ["*.so", "", "/a/../*"]),
    (forms.library, ["", " ", "a\nb"]),
    (
        forms.user,
        ["", "a b", ":1", "1:", "1:2:3", "-1", "a/b", "4294967295", "1:4294967295", "²", "1\n"],
    ),
    (forms.port, ["", "0", "65536", "80/http", "a", "80/", "-1", "8080\n", "²"]),
    (forms.stop_signal, ["", "TERM", "sigterm", "0", "65", "SIG", "-9", "15\n"]),
    (forms.label, ["", " ", "a\nb"]),
    (forms.tag, ["", ".x", "-x", "a:b", "a/b", "x" * 129, "ü", "a\n"]),
    (forms.repository, ["", "A", "/a", "a/", "a//b", "a..b", "a:1", "-a", "a___b", "x" * 256]),
    (forms.repository, ["0" * 64]),
    (forms.template, ["", " ", "{nme}", "{", "}", "{name", "{}", "{build_args.X}", "{env.}"]),
    (forms.template, ["{target_repository}", "{env.1}", "{env.A-B}", "{env.A.B}"]),
    (forms.registry, ["", "-a", "a-", "a..b", "a:", "a:x", "https://a", "a/", "a/B", "a b", "::1"]),
    (forms.registry_choice, ["@", "", "a b"]),
]


def cases(
    table: list[tuple[Callable[..., Iterator[forms.Complaint]], list[str]]],
) -> list[tuple[Callable[..., Iterator[forms.Complaint]], str]]:
    return [(form, value) for form, values in table for value in values]


@pytest.mark.parametrize("form,value", cases(FINE))
def test_fine(form: Callable[..., Iterator[forms.Complaint]], value: str) -> None:
    assert list(form(value)) == []


@pytest.mark.parametrize("form,value", cases(BAD))
def test_bad(form: Callable[..., Iterator[forms.Complaint]], value: str) -> None:
    complaints = list(form(value))
    assert complaints
    for problem, remedy in complaints:
        assert problem and remedy
        assert "\n" not in problem + remedy
        assert not problem.endswith(".") and remedy.endswith(".")


@pytest.mark.parametrize("mode", ["644", "0644", "000", "0777", None])
def test_mode_fine(mode: str | None) -> None:
    assert list(forms.mode(mode, "it")) == []


@pytest.mark.parametrize("mode", ["", "64", "1777", "4755", "08", "0o644", "rwx", "00644", "644\n"])
def test_mode_bad(mode: str) -> None:
    ((problem, _),) = forms.mode(mode, "it")
    assert repr(mode) in problem


@pytest.mark.parametrize("mode", ["1777", "0755", "755"])
def test_mode_of_a_folder_may_be_sticky(mode: str) -> None:
    assert list(forms.mode(mode, "it", sticky=True)) == []


@pytest.mark.parametrize("mode", ["2755", "4755", "6755", "11777", ""])
def test_mode_of_a_folder_is_never_set_uid(mode: str) -> None:
    assert list(forms.mode(mode, "it", sticky=True))


@pytest.mark.parametrize("owner,fine", [("0", True), ("0:0", True), (None, True), ("root", False)])
def test_owner(owner: str | None, fine: bool) -> None:
    assert (not list(forms.owner(owner, "it"))) is fine


@pytest.mark.parametrize(
    "at,spec,count",
    [
        ("/data", "0750 65532:65532", 0),
        ("/data", "0750", 0),
        ("/tmp", "1777", 0),
        ("data", "0750", 1),
        ("/data", "", 1),
        ("/data", "x y", 2),
        ("/", "0750", 1),
    ],
)
def test_directory(at: str, spec: str, count: int) -> None:
    assert len(list(forms.directory(at, spec))) == count


@pytest.mark.parametrize(
    "name,value,fine",
    [
        ("LANG", "C.UTF-8", True),
        ("a.b-c", "", True),
        ("A=B", "", False),
        ("", "", False),
        ("A B", "", False),
        ("A", "\0", False),
    ],
)
def test_variable(name: str, value: str, fine: bool) -> None:
    assert (not list(forms.variable(name, value))) is fine


@pytest.mark.parametrize(
    "values,fine", [(["/a"], True), (["/a", ""], True), ([], False), ([""], False), (["\0"], False)]
)
def test_arguments(values: list[str], fine: bool) -> None:
    assert (not list(forms.arguments(values, "Do."))) is fine
