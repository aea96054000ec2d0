"""The folder of contents that steps hand on, with links to files of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import contents
from pants_plugin_minimg.bundler.__main__ import main
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.inventory import stocktaking
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.sysroots.recorder import Recorder
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot, OverlaySysroot, TreeSysroot
from tests.bundler.images import blob, file, layer, put, with_parents


def machine(upper: TreeSysroot | None = None, recorder: Recorder | None = None) -> OverlaySysroot:
    """This machine, and what was built over it."""
    return OverlaySysroot(upper or TreeSysroot(), recorder or Recorder(DirSysroot(b"/"), [], []))


def entry(path: Path) -> Entry:
    return Entry(os.fsencode(path), "file", 0o644)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "host" / "liba.so"
    path.parent.mkdir()
    path.write_bytes(b"a library")
    return path


def test_a_file_of_this_machine_is_linked_where_that_is_wanted(
    tmp_path: Path, library: Path
) -> None:
    made = Entry(b"/etc/made", "file", 0o644)
    wanted = [entry(library), made]
    generated = {b"/etc/made": b"generated"}
    contents.store(machine(), wanted, generated, str(tmp_path / "copies"))
    contents.store(machine(), wanted, generated, str(tmp_path / "links"), copy=False)
    shas = [hashlib.sha256(data).hexdigest() for data in (b"a library", b"generated")]
    assert [one.content for one in wanted] == shas and wanted[0].size == 9
    for folder in ("copies", "links"):
        assert sorted(os.listdir(tmp_path / folder)) == sorted(shas)
        assert (tmp_path / folder / shas[0]).read_bytes() == b"a library"
    assert [(tmp_path / "copies" / sha).is_symlink() for sha in shas] == [False, False]
    assert [(tmp_path / "links" / sha).is_symlink() for sha in shas] == [True, False]
    assert contents.path_of(str(tmp_path / "links"), shas[0]) == str(library)


def test_what_was_built_is_no_file_of_this_machine(tmp_path: Path, library: Path) -> None:
    """It lies in a sandbox that is gone when the next step runs."""
    upper = TreeSysroot()
    upper.add_file(os.fsencode(library), os.fsencode(library), 0o755)
    contents.store(machine(upper), [entry(library)], {}, str(tmp_path / "blobs"), copy=False)
    (name,) = os.listdir(tmp_path / "blobs")
    assert not (tmp_path / "blobs" / name).is_symlink()


def test_a_name_that_is_no_utf8_is_copied(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff"
    with open(path, "wb") as out:
        out.write(b"bytes")
    wanted = Entry(path, "file", 0o644)
    contents.store(machine(), [wanted], {}, str(tmp_path / "blobs"), copy=False)
    assert not (tmp_path / "blobs" / str(wanted.content)).is_symlink()


def test_a_layer_of_links_has_the_bytes_of_one_of_copies(tmp_path: Path, library: Path) -> None:
    sha = put(tmp_path / "copies" / "blobs", b"a library")
    entries = with_parents([file(b"/usr/lib/liba.so", sha)])
    copied = layer(tmp_path / "copies", entries)
    blobs = tmp_path / "links" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / sha).symlink_to(library)
    linked = layer(tmp_path / "links", entries)
    assert linked == copied
    written = [blob(tmp_path / side / "layer", copied["digest"]) for side in ("copies", "links")]
    assert written[0].read_bytes() == written[1].read_bytes()


def _rewrite(path: Path) -> None:
    path.write_bytes(b"b library")


def _remove(path: Path) -> None:
    path.unlink()


def _make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _turn(path: Path) -> None:
    """Another file at the end of a link: the path was canonical when the plan was made."""
    shutil.copy(path, path.with_name("other"))
    path.unlink()
    path.symlink_to("other")


@pytest.mark.parametrize("change", [_rewrite, _remove, _make_fifo, _make_folder, _turn])
def test_a_file_that_changed_since(
    tmp_path: Path,
    library: Path,
    change: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    blobs = tmp_path / "blobs"
    wanted = entry(library)
    recorder = Recorder(DirSysroot(b"/"), [], [])
    contents.store(machine(recorder=recorder), [wanted], {}, str(blobs), copy=False)
    contents.check_links(str(blobs), recorder.untouched)
    change(library)
    with pytest.raises(MinimgError, match=f"^MINIMG-E022 {library}: the file changed"):
        contents.check_links(str(blobs), recorder.untouched)
    projection = tmp_path / "projection.json"
    entries = with_parents([file(b"/usr/lib/liba.so", str(wanted.content))])
    projection.write_text(
        json.dumps({"version": 1, "entries": [one.projected() for one in entries]})
    )
    out = tmp_path / "out"
    arguments = ["layer", f"--projection={projection}", f"--blobs={blobs}", f"--out={out}"]
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"MINIMG-E022 {library}: the file changed")
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_what_was_not_touched_is_not_read_again(tmp_path: Path, library: Path) -> None:
    blobs = tmp_path / "blobs"
    recorder = Recorder(DirSysroot(b"/"), [], [])
    contents.store(machine(recorder=recorder), [entry(library)], {}, str(blobs), copy=False)
    asked: list[tuple[bytes, bool]] = []

    def untouched(path: bytes) -> bool:
        asked.append((path, recorder.untouched(path)))
        return asked[-1][1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(contents, "open_link", None)
        contents.check_links(str(blobs), untouched)
    os.link(library, tmp_path / "backup")  # another time, the same bytes
    contents.check_links(str(blobs), untouched)
    assert asked == [(os.fsencode(library), True), (os.fsencode(library), False)]


def test_a_file_that_changes_while_stock_is_taken(
    tmp_path: Path,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The inventory may be of other bytes, and a layer that is in the cache would not tell."""
    collect = stocktaking.collect

    def collect_and_change(plan: Any, blobs: str) -> Any:
        links = [path for path in Path(blobs).iterdir() if path.is_symlink()]
        assert links
        target = os.readlink(links[0])
        shutil.copy(target, tmp_path / "other")
        links[0].unlink()
        links[0].symlink_to(tmp_path / "other")
        (tmp_path / "other").write_bytes(b"other")
        return collect(plan, blobs)

    monkeypatch.setattr(stocktaking, "collect", collect_and_change)
    request = {
        "version": 1,
        "address": "//a:image",
        "sysroot": {"kind": "host"},
        "executables": ["/bin/sh"],
        "link": True,
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    out = tmp_path / "out"
    assert main(["plan", f"--request={tmp_path / 'request.json'}", f"--out={out}"]) == 2
    assert "MINIMG-E022" in capsys.readouterr().err
    assert not (out / "plan.json").exists()
