"""What is packed, what stays plain and why: with a stand-in for UPX, and with the real one."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.packing import upx, upxargs
from pants_plugin_minimg.bundler.rendering.gzipstream import Gzip
from pants_plugin_minimg.bundler.toolrun import Finished
from tests.bundler.images import hello_program, put, run
from tests.bundler.tools import script_tool, tool_of
from tests.requirements import program, unavailable, working

PLAIN = b"a program, " * 20
SHA = hashlib.sha256(PLAIN).hexdigest()


class StandIn:
    """Behaves as UPX does on the command line; a test replaces one of its answers."""

    def __init__(self, **answers: Finished | Callable[[Path], Finished]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], cwd: str) -> Finished:
        self.calls.append(list(arguments))
        kind = next((name for name in ("--version", "-t", "-d") if name in arguments), "pack")
        answer = self.answers.get(kind.strip("-"))
        if callable(answer):
            return answer(Path(cwd))
        if answer is not None:
            return answer
        if kind == "--version":
            return Finished(0, "upx 4.2.4\nUCL data compression library 1.03\n", "")
        if kind == "pack":
            (Path(cwd) / "packed").write_bytes(b"small")
        if kind == "-d":
            (Path(cwd) / "unpacked").write_bytes(PLAIN)
        return Finished(0, "", "")


def _pack(tmp: Path, tool: StandIn, args: Sequence[str] = upxargs.DEFAULT) -> dict[str, Any]:
    scratch = tmp / "scratch"
    scratch.mkdir()
    (tmp / "program").write_bytes(PLAIN)
    upx.pack(str(tmp / "program"), SHA, str(tmp / "out"), tool, str(scratch), args)
    raw: dict[str, Any] = json.loads((tmp / "out" / "packed" / f"{SHA}.json").read_bytes())
    return raw


def _written(tmp: Path) -> bytes:
    path = tmp / "out" / "packed" / SHA
    assert path.stat().st_mode & 0o777 == 0o755
    return path.read_bytes()


def gzip_of(data: bytes) -> bytes:
    out: list[bytes] = []
    packed = Gzip(out.append)
    packed.write(data)
    packed.close()
    return b"".join(out)


def test_a_program_that_is_packed(tmp_path: Path) -> None:
    tool = StandIn()
    assert _pack(tmp_path, tool) == {
        "version": 1,
        "content": SHA,
        "outcome": "packed",
        "reason": "",
        "plain": len(PLAIN),
        "packed": 5,
        "plain_wire": len(gzip_of(PLAIN)),
        "packed_wire": len(gzip_of(b"small")),
        "packed_content": hashlib.sha256(b"small").hexdigest(),
        "upx_version": "4.2.4",
        "args": ["--lzma"],
    }
    assert _written(tmp_path) == b"small"
    assert tool.calls[1] == ["-q", "--lzma", "-o", "packed", "plain"]


def _smaller(cwd: Path) -> Finished:
    (cwd / "unpacked").write_bytes(PLAIN[:-1])
    return Finished(0, "", "")


def _larger(cwd: Path) -> Finished:
    (cwd / "packed").write_bytes(PLAIN)
    return Finished(0, "", "")


REFUSED = "upx: plain: CantPackException: bad init address\n"


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        (
            {"pack": Finished(1, "", "\n" + REFUSED)},
            "refused",
            "CantPackException: bad init address",
        ),
        (
            {"pack": Finished(2, "", "upx: plain: AlreadyPackedException\n")},
            "refused",
            "AlreadyPackedException",
        ),
        (
            {"pack": Finished(1, "", "upx: plain: IOException: file is too small -- skipped\n")},
            "refused",
            "IOException: file is too small -- skipped",
        ),
        ({"pack": Finished(2, "", "")}, "refused", "UPX ended with status 2"),
        ({"pack": Finished(0, "", "")}, "refused", "UPX ended with status 0"),
        (
            {"pack": _larger},
            "refused",
            f"packed it would be no smaller ({len(PLAIN)} bytes, plain {len(PLAIN)})",
        ),
        (
            {"t": Finished(1, "", "upx: packed: Exception: checksum error\n")},
            "broken",
            "`upx -t` fails: Exception: checksum error",
        ),
        ({"d": Finished(1, "", "")}, "broken", "`upx -d` fails: 1"),
        ({"d": _smaller}, "broken", "`upx -d` does not give the original's bytes back"),
        (
            {"d": Finished(0, "", "")},
            "broken",
            "`upx -d` does not give the original's bytes back",
        ),
    ],
)
def test_a_program_that_stays_plain(
    tmp_path: Path, answers: dict[str, Any], outcome: str, reason: str
) -> None:
    result = _pack(tmp_path, StandIn(**answers))
    assert (result["outcome"], result["reason"]) == (outcome, reason)
    assert (result["plain"], result["packed"]) == (len(PLAIN), len(PLAIN))
    assert result["packed_content"] == SHA
    assert _written(tmp_path) == PLAIN


@pytest.mark.parametrize(
    ("said", "number"),
    [("upx 4.2", "4.2"), ("upx 4.2.2\n", "4.2.2"), ("upx-ucl 4.9.9-rc1", "4.9.9-rc1")],
)
def test_versions_that_are_supported(tmp_path: Path, said: str, number: str) -> None:
    result = _pack(tmp_path, StandIn(version=Finished(0, said, "")))
    assert result["upx_version"] == number


@pytest.mark.parametrize(
    "answer",
    [
        Finished(0, "upx 4.1.9\n", ""),
        Finished(0, "upx 3.96\n", ""),
        Finished(0, "upx 5.0.0\n", ""),
        Finished(0, "upx 40.2\n", ""),
        Finished(0, "something else\n", ""),
        Finished(127, "", "error while loading shared libraries: libucl.so.1\n"),
    ],
)
def test_versions_that_are_not_supported(tmp_path: Path, answer: Finished) -> None:
    with pytest.raises(MinimgError) as error:
        _pack(tmp_path, StandIn(version=answer))
    assert error.value.code == "MINIMG-E017"
    assert "upx-ucl" in error.value.remedy
    assert not (tmp_path / "out").exists()


def _no_program(_: Path) -> Finished:
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize(
    "answers",
    [
        {"pack": Finished(-9, "", "")},
        {"t": Finished(-11, "", "")},
        {"pack": Finished(1, "", "upx: plain: IOException: packed: No space left on device\n")},
        {"d": Finished(1, "", "upx: packed: OutOfMemoryException: out of memory\n")},
        {"version": _no_program},
    ],
)
def test_what_the_machine_lacks_does_not_decide_the_bytes(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    with pytest.raises(MinimgError) as error:
        _pack(tmp_path, StandIn(**answers))
    assert error.value.code == "MINIMG-E017" and error.value.remedy
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arg", ["-9", "--best", "--ultra-brute", "--nrv2b", "--overlay=skip"])
def test_options_that_choose_how_to_compress(tmp_path: Path, arg: str) -> None:
    tool = StandIn()
    assert _pack(tmp_path, tool, (arg,))["args"] == [arg]
    assert tool.calls[1] == ["-q", arg, "-o", "packed", "plain"]


@pytest.mark.parametrize(
    "arg", ["-d", "-o", "-oother", "other", "--force", "-f", "-k", "--overlay=strip", "--help", ""]
)
def test_options_that_are_refused(tmp_path: Path, arg: str) -> None:
    tool = StandIn()
    with pytest.raises(MinimgError) as error:
        _pack(tmp_path, tool, ("--lzma", arg))
    assert error.value.code == "MINIMG-E018"
    assert tool.calls == []


def test_a_content_that_is_not_what_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "program").write_bytes(PLAIN + b"!")
    with pytest.raises(MinimgError) as error:
        upx.pack(
            str(tmp_path / "program"), SHA, str(tmp_path), StandIn(), str(tmp_path / "scratch"), ()
        )
    assert error.value.code == "MINIMG-E001"


SCRIPT = """#!/bin/sh
case "$*" in
  --version) echo 'upx 4.2.4' ;;
  *-d*) printf 'a program' >unpacked ;;
  *-o*) printf x >packed ;;
esac
"""


def test_the_command_leaves_the_program_and_the_report(tmp_path: Path) -> None:
    sha = put(tmp_path / "blobs", b"a program")
    tool = script_tool(tmp_path / "tool", SCRIPT)
    out = tmp_path / "out"
    content = tmp_path / "blobs" / sha
    run("pack", "--tool", tool, "--content", content, "--sha", sha, "--out", out, "--arg=-9")
    assert [path.name for path in out.iterdir()] == ["packed"]
    assert sorted(path.name for path in (out / "packed").iterdir()) == [sha, f"{sha}.json"]
    assert (out / "packed" / sha).read_bytes() == b"x"


@pytest.fixture(scope="module")
def real_tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = working(["upx", "--version"])
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split()[1].split(".")[:2]
    if not (4, 2) <= (int(major), int(minor)) < (5, 0):
        unavailable(f"upx is of version {major}.{minor}")
    return tool_of(path, tmp_path_factory.mktemp("upx"))


def _really(tool: Path, tmp: Path, content: bytes, *args: str) -> tuple[dict[str, Any], Path]:
    sha = put(tmp / "blobs", content)
    out = tmp / f"out{len(list(tmp.iterdir()))}"
    run("pack", "--tool", tool, "--content", tmp / "blobs" / sha, "--sha", sha, "--out", out, *args)
    packed = out / "packed" / sha
    return json.loads((out / "packed" / f"{sha}.json").read_bytes()), packed


def test_the_real_upx_packs_a_program_that_runs(real_tool: Path, tmp_path: Path) -> None:
    plain = Path(program("bash")).read_bytes()
    result, packed = _really(real_tool, tmp_path, plain)
    assert (result["outcome"], result["reason"]) == ("packed", "")
    assert result["packed"] == packed.stat().st_size < result["plain"] == len(plain)
    said = subprocess.run([packed, "-c", "echo $((6 * 7))"], capture_output=True, check=True)
    assert said.stdout == b"42\n"
    again, same = _really(real_tool, tmp_path, plain)
    assert again == result
    assert hashlib.sha256(same.read_bytes()).hexdigest() == result["packed_content"]
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == result["packed_content"]


def test_the_real_upx_takes_other_options(real_tool: Path, tmp_path: Path) -> None:
    plain = Path(program("cat")).read_bytes()
    fast, own, small = (
        _really(real_tool, tmp_path, plain, *args)[0] for args in (["--arg=-1"], [], ["--arg=-9"])
    )
    assert fast["outcome"] == small["outcome"] == "packed"
    assert small["packed"] < fast["packed"]
    # Without any it is as UPX itself has it.
    assert own["args"] == [] and small["packed"] <= own["packed"] <= fast["packed"]


def test_the_real_upx_refuses(real_tool: Path, tmp_path: Path) -> None:
    tiny, _ = _really(real_tool, tmp_path, hello_program())
    assert tiny["outcome"] == "refused"
    assert "Exception" in tiny["reason"]
    _, packed = _really(real_tool, tmp_path, Path(program("cat")).read_bytes())
    twice, _ = _really(real_tool, tmp_path, packed.read_bytes())
    assert (twice["outcome"], twice["reason"]) == ("refused", "AlreadyPackedException")
