"""Packages over each other: what dpkg would have left on the disk."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.debian.stack import PackageStack, open_packages
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from tests.requirements import program, unavailable

from .debs import File, folder, hardlink, link, make


def stack(*folders: Path, **alternatives: str) -> PackageStack:
    return open_packages([str(path) for path in folders], alternatives)


def problems(*folders: Path) -> list[str]:
    """Their texts, the same in whichever order the packages come."""
    found = set()
    for order in itertools.permutations(folders):
        with pytest.raises(Problems) as raised:
            stack(*order)
        found.add(tuple(map(str, raised.value.errors)))
    (only,) = found
    return list(only)


def content(root: PackageStack, path: bytes) -> bytes:
    walk = root.walk(path)
    assert walk.error is None, walk
    with root.open(walk.real) as file:
        return file.read()


def owner(root: PackageStack, path: bytes) -> str | None:
    found = root.owner(path)
    return None if found is None else found.name


def test_links_of_the_merged_usr_are_always_there(tmp_path: Path) -> None:
    root = stack(make(tmp_path, "a", [File("./usr/bin/a")]))
    assert root.scandir(b"/") == [b"bin", b"lib", b"sbin", b"usr"]
    for name in (b"bin", b"lib", b"sbin"):
        assert root.readlink(b"/" + name) == b"usr/" + name
    assert root.walk(b"/bin/a").real == b"/usr/bin/a"


@pytest.mark.parametrize("name", ["lib32", "lib64", "libx32"])
@pytest.mark.parametrize("below", ["./{}/x", "./usr/{}/x"])
def test_further_ones_are_there_when_used(name: str, below: str, tmp_path: Path) -> None:
    root = stack(make(tmp_path, "a", [File(below.format(name), b"x")]))
    assert root.readlink(f"/{name}".encode()) == f"usr/{name}".encode()
    assert content(root, f"/{name}/x".encode()) == b"x"
    assert content(root, f"/usr/{name}/x".encode()) == b"x"


def test_a_package_that_ships_such_a_link_owns_it(tmp_path: Path) -> None:
    base = make(tmp_path, "base", [link("./lib", "usr/lib"), link("./lib64", "usr/lib64")])
    root = stack(base, make(tmp_path, "a", [File("./lib/x", b"x")]))
    assert owner(root, b"/lib") == owner(root, b"/lib64") == "base"
    assert owner(root, b"/bin") is None
    assert owner(root, b"/usr/lib/x") == "a"


def test_another_link_in_that_place_is_an_error(tmp_path: Path) -> None:
    assert "MINIMG-E028 /lib: " in problems(make(tmp_path, "a", [link("./lib", "opt/lib")]))[0]
    assert "MINIMG-E028 /bin: " in problems(make(tmp_path, "b", [File("./bin")]))[0]


def test_a_path_has_its_package_by_whichever_name_that_lists_it(tmp_path: Path) -> None:
    libc = make(tmp_path, "libc6", [File("./lib/tri/libc.so.6", b"libc"), File("./usr/lib/x")])
    root = stack(libc)
    assert root.lstat(b"/lib/tri/libc.so.6") is None
    real = root.walk(b"/lib/tri/libc.so.6").real
    assert real == b"/usr/lib/tri/libc.so.6"
    package = root.owner(real)
    assert package is not None
    assert set(package.md5sums) == {b"/usr/lib/tri/libc.so.6", b"/usr/lib/x"}
    assert [package.name for package in root.packages] == ["libc6"]


def test_owners_modes_links_and_hard_links_survive(tmp_path: Path) -> None:
    root = stack(
        make(
            tmp_path,
            "a",
            [
                folder("./var/spool/", 0o1777),
                File("./usr/bin/su", b"su", mode=0o4755, uid=7, gid=8),
                link("./usr/bin/l", "/etc/l"),
                File("./usr/bin/other"),
                hardlink("./usr/bin/su2", "./usr/bin/su"),
            ],
        )
    )
    su, su2 = root.lstat(b"/usr/bin/su"), root.lstat(b"/usr/bin/su2")
    assert su is not None and su == su2
    assert (su.mode, su.uid, su.gid) == (0o4755, 7, 8)
    spool = root.lstat(b"/var/spool")
    assert spool is not None and spool.mode == 0o1777
    assert root.readlink(b"/usr/bin/l") == b"/etc/l"


def test_a_directory_that_is_a_link_in_another_package_is_followed(tmp_path: Path) -> None:
    base = make(tmp_path, "gcc-base", [File("./usr/share/doc/gcc-base/copyright", b"free")])
    one = make(tmp_path, "libx", [link("./usr/share/doc/libx", "gcc-base")])
    other = make(tmp_path, "libx-extra", [File("./usr/share/doc/libx/README", b"read")])
    for order in itertools.permutations([base, one, other]):
        root = stack(*order)
        assert root.scandir(b"/usr/share/doc") == [b"gcc-base", b"libx"]
        assert content(root, b"/usr/share/doc/libx/README") == b"read"
        assert owner(root, b"/usr/share/doc/gcc-base/README") == "libx-extra"
        assert owner(root, b"/usr/share/doc/libx") == "libx"


def test_links_below_links_are_followed_too(tmp_path: Path) -> None:
    root = stack(
        make(tmp_path, "a", [link("./opt/one", "/srv/one"), File("./srv/two/x")]),
        make(tmp_path, "b", [link("./opt/one/deep", "../two")]),
        make(tmp_path, "c", [File("./opt/one/deep/file", b"c"), File("./opt/one/y", b"y")]),
    )
    assert content(root, b"/srv/two/file") == b"c"
    assert content(root, b"/srv/one/y") == b"y"
    assert root.readlink(b"/srv/one/deep") == b"../two"


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    one = make(tmp_path, "a", [link("./opt/x", "y"), link("./opt/y", "x")])
    assert stack(one).walk(b"/opt/x").error == "ELOOP"  # nobody goes through them
    found = problems(one, make(tmp_path, "b", [File("./opt/x/file")]))
    assert any(text.startswith("MINIMG-E007 /opt/") for text in found)


def test_a_long_chain_of_links_is_an_error_and_no_crash(tmp_path: Path) -> None:
    chain = [link(f"./opt/{number}", str(number + 1)) for number in range(3000)]
    found = problems(
        make(tmp_path, "a", chain),
        make(tmp_path, "b", [File("./opt/0/file"), File("./opt/9/file")]),
    )
    assert any(text.startswith("MINIMG-E007 /opt/") for text in found)


def test_links_that_double_cost_nothing(tmp_path: Path) -> None:
    chain = [link(f"./o/{n}", f"{n + 1}/../{n + 1}/../{n + 1}") for n in range(35)]
    chain.append(folder("./o/35/"))
    root = stack(make(tmp_path, "a", chain), make(tmp_path, "b", [File("./o/0/file", b"x")]))
    assert content(root, b"/o/35/file") == b"x"


def test_two_packages_with_one_file_are_an_error_that_names_both(tmp_path: Path) -> None:
    found = problems(
        make(tmp_path, "a", [File("./usr/lib/x", b"1"), File("./etc/y"), File("./etc/z")], "1"),
        make(tmp_path, "b", [File("./lib/x", b"1"), link("./etc/y", "z"), File("./etc/z/w")], "2"),
    )
    assert [text.split(":")[0] for text in found] == [
        "MINIMG-E028 /usr/lib/x",
        "MINIMG-E028 /etc/y",
        "MINIMG-E028 /etc/z",
    ]
    for text in found:
        assert "a 1 (amd64)" in text and "b 2 (amd64)" in text


def test_a_file_below_a_file_of_another_package_is_an_error(tmp_path: Path) -> None:
    found = problems(
        make(tmp_path, "a", [link("./opt/l", "../etc/f"), File("./etc/f")]),
        make(tmp_path, "b", [File("./opt/l/x")]),
    )
    assert any(text.startswith("MINIMG-E028 /etc/f: ") for text in found)


def test_one_package_with_one_path_under_two_names_is_an_error(tmp_path: Path) -> None:
    found = problems(make(tmp_path, "a", [File("./usr/lib/x"), File("./lib/x")]))
    assert found[0].startswith("MINIMG-E028 /usr/lib/x: a 1.0 (amd64) has it twice")


def test_equal_links_and_directories_are_shared(tmp_path: Path) -> None:
    root = stack(
        make(tmp_path, "a", [link("./usr/l", "x"), folder("./srv/", 0o700)]),
        make(tmp_path, "b", [link("./usr/l", "x"), folder("./srv/", 0o755)]),
    )
    assert owner(root, b"/usr/l") == "a"
    srv = root.lstat(b"/srv")
    assert srv is not None and srv.mode == 0o700
    assert owner(root, b"/srv") is None


@pytest.mark.parametrize(
    ("replaces", "holds"),
    [
        ("a", True),
        ("other, a", True),
        ("a (<< 1.5)", True),
        ("a (<< 1.0)", False),
        ("a (= 1.0)", True),
        ("a (>= 1.0~rc1), x", True),
        ("a (>> 1.0)", False),
        ("a:any (<= 1.0)", True),
        ("b", False),
    ],
)
def test_replaces_decides(replaces: str, holds: bool, tmp_path: Path) -> None:
    one = make(tmp_path, "a", [File("./etc/f", b"of a"), hardlink("./etc/g", "./etc/f")])
    other = make(tmp_path, "b", [File("./etc/f", b"of b")], Replaces=replaces)
    if not holds:
        assert problems(one, other)[0].startswith("MINIMG-E028 /etc/f: ")
        return
    for order in ((one, other), (other, one)):
        root = stack(*order)
        assert (content(root, b"/etc/f"), owner(root, b"/etc/f")) == (b"of b", "b")
        # The other name of a's file is still a's.
        assert (content(root, b"/etc/g"), owner(root, b"/etc/g")) == (b"of a", "a")
        f, g = root.lstat(b"/etc/f"), root.lstat(b"/etc/g")
        assert f is not None and g is not None and f.ino != g.ino


def test_what_replaces_a_file_may_list_it_by_another_path(tmp_path: Path) -> None:
    one = make(tmp_path, "a", [File("./lib/f"), File("./usr/lib/g")])
    other = make(tmp_path, "b", [File("./usr/lib/f"), File("./lib/g")], Replaces="a")
    for root in (stack(one, other), stack(other, one)):
        assert owner(root, b"/usr/lib/f") == owner(root, b"/usr/lib/g") == "b"


def test_an_earlier_name_replaces_a_later_one(tmp_path: Path) -> None:
    root = stack(
        make(tmp_path, "a", [File("./etc/f", b"of a")], Replaces="b"),
        make(tmp_path, "b", [File("./etc/f", b"of b")]),
    )
    assert (content(root, b"/etc/f"), owner(root, b"/etc/f")) == (b"of a", "a")


def test_replaces_takes_no_directory_away(tmp_path: Path) -> None:
    found = problems(
        make(tmp_path, "a", [File("./etc/f/x")]),
        make(tmp_path, "b", [File("./etc/f", b"of b")], Replaces="a"),
    )
    assert found[0].startswith("MINIMG-E028 /etc/f: ")


def test_a_field_replaces_that_is_none_is_an_error(tmp_path: Path) -> None:
    one = make(tmp_path, "a", [File("./etc/f")])
    other = make(tmp_path, "b", [File("./etc/f")], Replaces="a (??? 1)")
    with pytest.raises((MinimgError, Problems), match="MINIMG-E027 b 1.0 .*Replaces"):
        stack(one, other)


def test_one_package_for_two_architectures_may_share_equal_files(tmp_path: Path) -> None:
    shared = File("./usr/share/doc/l/copyright", b"free")
    one = make(tmp_path, "l", [shared, File("./usr/lib/x/l.so", b"1")])
    other = make(tmp_path, "l", [shared, File("./usr/lib/y/l.so", b"2")], Architecture="i386")
    root = stack(one, other)
    assert content(root, b"/usr/share/doc/l/copyright") == b"free"
    third = make(tmp_path, "l", [File(shared.name, b"Free")], Architecture="arm64")
    assert problems(one, third)[0].startswith("MINIMG-E028 /usr/share/doc/l/copyright")


def test_one_package_in_two_versions_is_an_error(tmp_path: Path) -> None:
    one, other = (make(tmp_path, "a", [File("./x")], version) for version in ("1", "2"))
    with pytest.raises(MinimgError, match="MINIMG-E028 a: it is there in two versions, 1 and 2"):
        stack(one, other)


def test_a_diversion_moves_the_file_of_others(tmp_path: Path) -> None:
    dash = make(tmp_path, "dash", [File("./bin/sh", b"dash")])
    call = "dpkg-divert --package mine --add --rename --divert /bin/sh.real /bin/sh\n"
    mine = make(tmp_path, "mine", [File("./bin/sh", b"mine")], scripts={"preinst": call})
    for order in ((dash, mine), (mine, dash)):
        root = stack(*order)
        assert content(root, b"/bin/sh") == b"mine"
        assert content(root, b"/bin/sh.real") == b"dash"
        assert owner(root, b"/usr/bin/sh.real") == "dash"
        package = root.owner(b"/usr/bin/sh.real")
        assert package is not None and set(package.md5sums) == {b"/usr/bin/sh.real"}


def test_a_diversion_goes_by_the_path_as_it_is_listed(tmp_path: Path) -> None:
    call = "dpkg-divert --add --rename --divert /lib/x.usr-is-merged /lib/x\n"
    mine = make(tmp_path, "mine", [File("./etc/mine")], scripts={"preinst": call})
    root = stack(mine, make(tmp_path, "other", [File("./usr/lib/x", b"x")]))
    assert content(root, b"/usr/lib/x") == b"x"


AWK = "update-alternatives --install /usr/bin/awk awk {} {} --slave /usr/bin/nawk nawk {}\n"


@pytest.fixture
def awks(tmp_path: Path) -> list[Path]:
    return [
        make(
            tmp_path,
            name,
            [File(f"./usr/bin/{name}", name.encode(), mode=0o755)],
            scripts={"postinst": AWK.format(f"/usr/bin/{name}", priority, f"/usr/bin/{slave}")},
        )
        for name, priority, slave in (("gawk", 10, "nothing"), ("mawk", 5, "mawk"))
    ]


def test_no_alternative_is_chosen_and_the_hint_says_how(awks: list[Path]) -> None:
    root = stack(*awks)
    assert root.walk(b"/usr/bin/awk").error == "ENOENT"
    hint = (
        '`/usr/bin/awk` is an alternative: set alternatives={"/usr/bin/awk": …} to one of '
        "/usr/bin/gawk (of gawk), /usr/bin/mawk (of mawk)"
    )
    assert root.hint(b"/usr/bin/awk") == root.hint(b"/bin/awk") == hint
    assert root.hint(b"/usr/bin/nawk") == hint.replace(
        "`/usr/bin/awk` is an alternative",
        "`/usr/bin/nawk` comes with the alternative `/usr/bin/awk`",
    )
    assert root.hint(b"/usr/bin/perl") is None
    assert root.hint(b"/usr/bin/mawk") is None


def test_a_chosen_alternative_is_linked_as_update_alternatives_does(awks: list[Path]) -> None:
    for link_, path in (("/usr/bin/awk", "/usr/bin/mawk"), ("/bin/awk", "/bin/mawk")):
        root = stack(*awks, **{link_: path})
        assert root.readlink(b"/usr/bin/awk") == b"/etc/alternatives/awk"
        assert root.readlink(b"/etc/alternatives/awk") == b"/usr/bin/mawk"
        assert content(root, b"/bin/awk") == content(root, b"/bin/nawk") == b"mawk"
        assert root.hint(b"/usr/bin/awk") is None
        assert root.owner(b"/usr/bin/awk") is None


def test_a_slave_whose_file_is_not_there_is_left_out(awks: list[Path]) -> None:
    root = stack(*awks, **{"/usr/bin/awk": "/usr/bin/gawk"})
    assert content(root, b"/usr/bin/awk") == b"gawk"
    assert root.lstat(b"/usr/bin/nawk") is root.lstat(b"/etc/alternatives/nawk") is None


def test_what_update_alternatives_makes_is_the_same(awks: list[Path], tmp_path: Path) -> None:
    tool = program("update-alternatives")
    disk = tmp_path / "disk"
    for path in ("usr/bin", "etc/alternatives", "var/lib/dpkg/alternatives", "var/log"):
        (disk / path).mkdir(parents=True)
    (disk / "usr/bin/mawk").write_bytes(b"mawk")
    command = [tool, "--root", str(disk), "--altdir", "/etc/alternatives"]
    command += AWK.format("/usr/bin/mawk", 5, "/usr/bin/mawk").split()[1:]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        unavailable(f"update-alternatives cannot work in a folder: {done.stderr!r}")
    root = stack(*awks, **{"/usr/bin/awk": "/usr/bin/mawk"})
    for path in ("usr/bin/awk", "usr/bin/nawk", "etc/alternatives/awk", "etc/alternatives/nawk"):
        assert root.readlink(f"/{path}".encode()).decode() == str((disk / path).readlink())


@pytest.mark.parametrize(
    ("link_", "path", "problem"),
    [
        ("/usr/bin/vi", "/usr/bin/vim", "E002 /usr/bin/vi: .*Declared are: /usr/bin/awk"),
        ("/usr/bin/awk", "/usr/bin/perl", "E002 /usr/bin/awk: .*gawk.*mawk"),
        ("usr/bin/awk", "/usr/bin/mawk", "E018 usr/bin/awk: "),
        ("/usr/bin/awk", "/usr/bin/../mawk", "E018 "),
    ],
)
def test_a_choice_that_nobody_declares_is_an_error(
    link_: str, path: str, problem: str, awks: list[Path]
) -> None:
    with pytest.raises(Problems, match=f"MINIMG-{problem}"):
        stack(*awks, **{link_: path})


def test_a_choice_that_nobody_ships_is_an_error(tmp_path: Path) -> None:
    call = "update-alternatives --install /usr/bin/x x /usr/lib/x 1\n"
    root = make(tmp_path, "a", [File("./etc/a")], scripts={"postinst": call})
    with pytest.raises(Problems, match="MINIMG-E002 /usr/lib/x: a declares it"):
        stack(root, **{"/usr/bin/x": "/usr/lib/x"})


def test_a_choice_does_not_hide_a_package_s_own_file(awks: list[Path], tmp_path: Path) -> None:
    own = make(tmp_path, "own", [File("./usr/bin/awk")])
    with pytest.raises(Problems, match="MINIMG-E011 /usr/bin/awk: "):
        stack(*awks, own, **{"/usr/bin/awk": "/usr/bin/mawk"})


def test_all_problems_are_told_together(awks: list[Path], tmp_path: Path) -> None:
    others = [make(tmp_path, name, [File("./etc/f"), File("./etc/g")]) for name in ("a", "b")]
    with pytest.raises(Problems) as raised:
        stack(*awks, *others, **{"/usr/bin/vi": "/x", "/usr/bin/ex": "/y"})
    assert len(raised.value.errors) == 4


def test_inode_numbers_do_not_depend_on_the_order(tmp_path: Path) -> None:
    one = make(tmp_path, "a", [File("./etc/a"), hardlink("./etc/a2", "./etc/a")])
    other = make(tmp_path, "b", [File("./etc/b"), File("./usr/deep/down/b")])
    first, second = stack(one, other), stack(other, one)
    stats = {path: first.lstat(path) for path in first._nodes}
    assert stats == {path: second.lstat(path) for path in second._nodes}
    numbers = [stat.ino for stat in stats.values() if stat is not None]
    assert len(set(numbers)) == len(numbers) - 1  # one hard link


def test_a_folder_that_unpack_did_not_make_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E001"):
        stack(tmp_path)
    (tmp_path / "package.json").write_bytes(b'{"version": 1, "control": 5}')
    with pytest.raises(MinimgError, match="MINIMG-E001"):
        stack(tmp_path)
