from __future__ import annotations

import os
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots import fingerprint
from pants_plugin_minimg.bundler.sysroots.recorder import Recorder
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot


def _recorder(*folders: Path) -> Recorder:
    return Recorder(DirSysroot(b"/"), [os.fsencode(folder) for folder in folders], [])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.so").write_bytes(b"one")
    (tmp_path / "link").symlink_to("lib")
    return tmp_path


def _look(recorder: Recorder, path: Path) -> None:
    recorder.walk(os.fsencode(path))


def test_nothing_changed_reads_the_same(tree: Path) -> None:
    recorder = _recorder()
    _look(recorder, tree / "link/a.so")
    _look(recorder, tree / "lib/missing.so")
    consulted = recorder.consulted()
    assert consulted["paths"][str(tree / "lib/missing.so")] is None
    assert fingerprint.again(consulted) == consulted


def test_what_was_never_opened_is_not_untouched(tree: Path) -> None:
    recorder = _recorder(tree / "lib")
    path = os.fsencode(tree / "lib/a.so")
    _look(recorder, tree / "lib/a.so")
    assert not recorder.untouched(path)
    recorder.open(path).close()
    assert recorder.untouched(path)


def test_a_file_that_was_just_written_is_waited_for(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is written again in the same tick of the clock may look the same."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        os.utime(tree / "lib/a.so", ns=(0, 0))

    monkeypatch.setattr(fingerprint.time, "sleep", sleep)
    written = (tree / "lib/a.so").stat().st_ctime_ns
    now = iter([written + 1, written + 2, written + 10**10, written + 10**10])
    monkeypatch.setattr(fingerprint.time, "time_ns", lambda: next(now))
    recorder = _recorder(tree / "lib")
    recorder.open(os.fsencode(tree / "lib/a.so")).close()
    assert len(slept) == 1
    assert recorder.untouched(os.fsencode(tree / "lib/a.so"))


def _replace_keeping_size_and_mtime(tree: Path) -> None:
    path = tree / "lib/a.so"
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace_by_rename(tree: Path) -> None:
    path = tree / "lib/a.so"
    status = path.stat()
    other = tree / "new"
    other.write_bytes(b"two")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def _add_missing(tree: Path) -> None:
    (tree / "lib/missing.so").write_bytes(b"")


def _turn_link(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "other").mkdir()
    (tree / "link").symlink_to("other")


def _change_mode(tree: Path) -> None:
    (tree / "lib/a.so").chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [_replace_keeping_size_and_mtime, _replace_by_rename, _add_missing, _turn_link, _change_mode],
)
def test_a_change_is_seen(tree: Path, change: object) -> None:
    recorder = _recorder()
    _look(recorder, tree / "link/a.so")
    _look(recorder, tree / "lib/missing.so")
    change(tree)  # type: ignore[operator]
    assert fingerprint.again(recorder.consulted()) != recorder.consulted()


def test_a_neighbour_of_what_was_looked_at_changes_nothing(tree: Path) -> None:
    recorder = _recorder()
    _look(recorder, tree / "lib/a.so")
    (tree / "lib/unrelated").write_bytes(b"")
    assert fingerprint.again(recorder.consulted()) == recorder.consulted()


def test_a_listed_folder_sees_new_names(tree: Path) -> None:
    recorder = _recorder()
    recorder.scandir(os.fsencode(tree / "lib"))
    (tree / "lib/b.so").write_bytes(b"")
    assert fingerprint.again(recorder.consulted()) != recorder.consulted()


def test_what_the_sweep_covers_is_not_recorded(tree: Path) -> None:
    recorder = _recorder(tree / "lib")
    _look(recorder, tree / "lib/a.so")
    recorder.scandir(os.fsencode(tree / "lib"))
    recorded = recorder.consulted()
    assert str(tree / "lib/a.so") not in recorded["paths"]
    assert recorded["listed"] == {}


def test_licences_are_covered_and_nothing_beside_them(tree: Path) -> None:
    names = ("doc/git/copyright", "doc/git/changelog", "doc/git/more/copyright", "copyright")
    for documents, covered in ((os.fsencode(tree / "doc"), names[:1]), (None, ())):
        recorder = Recorder(DirSysroot(b"/"), [], [], documents)
        for name in names:
            recorder.lstat(os.fsencode(tree / name))
        recorded = [str(tree / name) for name in sorted(names) if name not in covered]
        assert list(recorder.consulted()["paths"]) == recorded


def test_the_sweep_of_this_machine_is_stable_and_covers_its_libraries() -> None:
    first = fingerprint.sweep()
    assert first == fingerprint.sweep()
    assert os.path.realpath("/usr/bin") in first["folders"]
    assert "/etc/ld.so.cache" in first["files"]
    libc = [name for name in first["folders"] if os.path.exists(os.path.join(name, "libc.so.6"))]
    assert libc or not os.path.exists("/lib64/ld-linux-x86-64.so.2")


def test_files_that_never_come_to_rest_are_an_error() -> None:
    import time

    with pytest.raises(MinimgError) as caught:
        fingerprint.settled(lambda: ({}, time.time_ns()))
    assert caught.value.code == "MINIMG-E022"


def test_a_time_stamp_of_the_future_does_not_hang() -> None:
    import time

    assert fingerprint.settled(lambda: ("value", time.time_ns() + 10**12)) == "value"


def test_what_says_of_which_package_a_file_is_is_swept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info, documents = tmp_path / "info", tmp_path / "doc"
    for folder in (info, documents / "git"):
        folder.mkdir(parents=True)
    folders = tuple(os.fsencode(folder) for folder in (info, documents))
    monkeypatch.setattr(fingerprint, "_PACKAGE_FOLDERS", folders)
    monkeypatch.setattr(fingerprint, "_DOCUMENTS", folders[-1])
    copyright_file = documents / "git" / "copyright"
    copyright_file.write_text("MIT")
    before = fingerprint.sweep()
    assert before["documents"] == str(documents) and str(info) in before["folders"]
    copyright_file.write_text("BSD")
    assert fingerprint.sweep()["sha256"] != before["sha256"]
    after = fingerprint.sweep()
    (info / "git.list").write_text("/usr/bin/git\n")
    assert fingerprint.sweep()["sha256"] != after["sha256"]
