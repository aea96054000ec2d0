"""A program of a plan runs with its own loader and libraries, and sees nothing of the machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.toolrun import lay_out
from tests.bundler.images import put
from tests.bundler.tools import script_tool, tool_of, write_tool
from tests.requirements import program


def test_all_that_is_mapped_comes_from_the_plan(tmp_path: Path) -> None:
    tool = tool_of(program("cat"), tmp_path / "tool")
    run = lay_out(str(tool), str(tmp_path / "laid"))
    done = run(["/proc/self/maps"], str(tmp_path))
    assert (done.status, done.errors) == (0, "")
    mapped = set(re.findall(r" (/.*)$", done.output, re.MULTILINE))
    assert len(mapped) >= 3, "the program, its loader and the C library"
    assert all(path.startswith(str(tmp_path / "laid")) for path in mapped), mapped


def test_nothing_of_the_environment_reaches_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPX", "--best")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    run = lay_out(str(tool_of(program("env"), tmp_path / "tool")), str(tmp_path / "laid"))
    assert run([], str(tmp_path)).output == "LC_ALL=C\n"


def test_status_streams_and_folder(tmp_path: Path) -> None:
    tool = script_tool(tmp_path / "tool", '#!/bin/sh\npwd\necho "$1" >&2\nexit 3\n')
    done = lay_out(str(tool), str(tmp_path / "laid"))(["said"], str(tmp_path / "tool"))
    assert (done.status, done.output, done.errors) == (3, f"{tmp_path / 'tool'}\n", "said\n")


def test_a_signal_is_a_negative_status(tmp_path: Path) -> None:
    tool = script_tool(tmp_path / "tool", "#!/bin/sh\nkill -9 $$\n")
    assert lay_out(str(tool), str(tmp_path / "laid"))([], str(tmp_path)).status == -9


def test_a_loader_of_musl_gets_no_option_that_it_would_not_know(tmp_path: Path) -> None:
    blobs = tmp_path / "tool" / "blobs"
    loader = put(blobs, b'#!/bin/sh\nfor arg; do echo "$arg"; done\n')
    other = put(blobs, b"x")
    entries = [
        Entry(b"/usr/bin/tool", "file", 0o755, content=other),
        Entry(b"/usr/lib/ld-musl-x86_64.so.1", "link", 0o777, target=b"libc.so"),
        Entry(b"/usr/lib/libc.so", "file", 0o755, content=loader),
        Entry(b"/usr/lib/libz.so.1.3", "hardlink", 0, target=b"/usr/lib/libz-again.so"),
        Entry(b"/usr/lib/libz-again.so", "file", 0o644, content=other),
        Entry(b"/lib", "link", 0o777, target=b"usr/lib"),
    ]
    loaded = {
        "/usr/bin/tool": {
            "interpreter": "/lib/ld-musl-x86_64.so.1",
            "libraries": [{"name": "libz.so.1", "path": "/usr/lib/libz.so.1.3"}],
        }
    }
    tool = write_tool(tmp_path / "tool", entries, "/usr/bin/tool", loaded)
    laid = tmp_path / "laid"
    done = lay_out(str(tool), str(laid))(["--version"], str(tmp_path))
    expected = ["--library-path", str(laid / "lib"), str(laid / "bin" / "tool"), "--version"]
    assert done.output.splitlines() == expected
    assert (laid / "lib" / "libz.so.1").read_bytes() == b"x"


@pytest.mark.parametrize(
    "change",
    [
        {"programs": []},
        {"programs": ["/other"]},
        {"entries": [{"path": "/tool"}]},
        {"loaded": {"/tool": {"interpreter": "/gone", "libraries": []}}},
        {"loaded": {"/tool": {"interpreter": "/tool", "libraries": [{"name": "x"}]}}},
        {"loaded": {"/tool": {"interpreter": "/tool"}}},
        {"version": 9},
    ],
)
def test_a_tool_that_is_no_output_of_a_plan(tmp_path: Path, change: dict[str, object]) -> None:
    tool = script_tool(tmp_path / "tool", "#!/bin/sh\n")
    raw = json.loads((tool / "plan.json").read_text())
    (tool / "plan.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(MinimgError) as error:
        lay_out(str(tool), str(tmp_path / "laid"))
    assert error.value.code == "MINIMG-E001"


def test_a_tool_whose_bytes_are_missing(tmp_path: Path) -> None:
    tool = script_tool(tmp_path / "tool", "#!/bin/sh\n")
    next((tool / "blobs").iterdir()).unlink()
    with pytest.raises(MinimgError) as error:
        lay_out(str(tool), str(tmp_path / "laid"))
    assert error.value.code == "MINIMG-E001"
