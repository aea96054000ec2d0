"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass

from benchmarks.ours_times import FirstTimes, Times4
from benchmarks.pages import Page
from benchmarks.peers.peer import Peer
from benchmarks.record import Aim, Chart, Figures, NotRun
from benchmarks.rows import Row

LOST = " ▼"


@dataclass(frozen=True)
class Column:
    title: str
    value: Callable[[Row], float | None]
    form: Callable[[float], str]


def mb(size: float) -> str:
    return f"{size / 1e6:.2f}"


def seconds(time: float) -> str:
    return f"{time:.2f}"


NUMBERS = (
    Column("cold, s", lambda row: row.cold.median, seconds),
    Column("again, s", lambda row: row.no_op.median, seconds),
    Column("disk, MB", lambda row: row.sizes.disk if row.sizes else None, mb),
    Column("engine's size, MB", lambda row: row.engine_size, mb),
    Column("wire, MB", lambda row: row.wire, mb),
    Column("wire by `gzip -6`, MB", lambda row: row.sizes.alike if row.sizes else None, mb),
)


def main_table(rows: Sequence[Row]) -> str:
    titles = [column.title for column in NUMBERS]
    titles += ["files", "starts", "loaded by", "same digest each time"]
    lines = [table_line(["", *titles]), table_line(["---"] + ["---:"] * 7 + ["---"] * 3)]
    for upx in (False, True):
        group = [row for row in rows if row.upx == upx]
        if not group:
            continue
        lines.append(table_line([f"**{'with UPX' if upx else 'plain'}**"] + [""] * len(titles)))
        lines += [_row(row, group) for row in group]
    return "\n".join(lines)


def _row(row: Row, group: Sequence[Row]) -> str:
    name = f"**{row.name}**" if row.ours else row.name
    if row.why_not is not None:
        return table_line([name, f"not run: {row.why_not}"] + [""] * 9)
    cells = [name]
    for column in NUMBERS:
        value = column.value(row)
        lost = row.ours and value is not None and _beaten(value, column, group)
        cells.append(_cell(value, column.form) + (LOST if lost else ""))
    cells.append(str(row.sizes.files) if row.sizes else "–")
    cells += [_starts(row), row.loaded_by or "–", _same(row.digests)]
    return table_line(cells)


def _beaten(value: float, column: Column, group: Sequence[Row]) -> bool:
    """Whether a peer whose image starts does better (no engine: any peer)."""
    theirs = [column.value(row) for row in group if not row.ours and (row.starts or not row.tried)]
    return any(other is not None and other < value for other in theirs)


def _starts(row: Row) -> str:
    if not row.tried:
        return "not tried"
    return "yes" if row.starts else "**no**"


def _same(digests: Sequence[str]) -> str:
    if len(digests) < 2:
        return "one build"
    return f"{'yes' if len(set(digests)) == 1 else 'no'} ({len(digests)} builds)"


def failures(rows: Sequence[Row]) -> str:
    lines = [
        f"- {row.name}: {program}: `{words}`"
        for row in rows
        for program, words in row.failures.items()
    ]
    return "\n".join(["What does not start, in the engine's words:", "", *lines]) if lines else ""


def pants_table(first: FirstTimes, ways: Sequence[tuple[str, Times4]]) -> str:
    lines = [
        "With every cache empty, once (it depends on the network): an `archive` target "
        f"{first.archive:.2f} s (Pants' own start), the trivial image {first.trivial:.2f} s, "
        f"so the one-time build of the sandbox tool is at most {first.tool:.2f} s. Below, the tool "
        "is built and nothing else of the image is cached.",
        "",
        table_line(
            ["", "archive cold, s", "image cold, s", "beyond, s"]
            + ["archive no-op, s", "image no-op, s", "no-op ratio"]
        ),
        table_line(["---"] + ["---:"] * 6),
    ]
    for name, times in ways:
        values = [times.archive_cold.median, times.image_cold.median, times.beyond()]
        values += [times.archive_no_op.median, times.image_no_op.median, times.no_op_ratio()]
        lines.append(table_line([name] + ["–" if v is None else f"{v:.2f}" for v in values]))
    return "\n".join(lines)


def targets(rows: Sequence[Row], ways: Sequence[tuple[str, Times4]]) -> list[Aim]:
    """The figures that this project set itself, met or not."""
    found = []
    plain = [row for row in rows if not row.ours and row.name.startswith("dockerize2")]
    for name, times in ways:
        beyond = times.beyond()
        for row in plain:
            theirs = row.cold.median
            if row.upx or beyond is None or not theirs or "upx" in name.lower():
                continue
            aim = " ≤ 0.30" if "--output-oci" in row.name else ", for comparison"
            met = beyond / theirs <= 0.3 if "--output-oci" in row.name else None
            found.append(Aim(f"{name}: beyond ÷ {row.name}{aim}", f"{beyond / theirs:.2f}", met))
    for name, times in ways:
        ratio = times.no_op_ratio()
        if ratio is not None:
            text = f"{name}: no-op ÷ an archive's ≤ 1.10"
            found.append(Aim(text, f"{ratio:.2f}", ratio <= 1.1))
    ours = next((row.sizes.disk for row in rows if row.ours and row.upx and row.sizes), None)
    theirs_upx = next((row.sizes.disk for row in plain if row.upx and row.sizes), None)
    if ours is not None and theirs_upx is not None:
        text = "UPX: size on disk below dockerize2's"
        found.append(Aim(text, f"{mb(ours)} to {mb(theirs_upx)} MB", ours < theirs_upx))
    elif ours is not None:
        found.append(Aim("UPX: size on disk below dockerize2's", "its row was not run", None))
    return found


def aims_table(aims: Sequence[Aim]) -> str:
    lines = [table_line(["aim", "measured", ""]), table_line(["---", "---:", "---"])]
    return "\n".join([*lines, *(table_line(aim_cells(aim)) for aim in aims)])


def speeds_table(rows: Mapping[str, float], size: int) -> str:
    """What took how many seconds for `size` bytes."""
    lines = [table_line(["", "seconds", "MB/s"]), table_line(["---", "---:", "---:"])]
    for name, time in rows.items():
        lines.append(table_line([name, seconds(time), f"{size / 1e6 / time:.0f}"]))
    return "\n".join(lines)


def aim_cells(aim: Aim) -> list[str]:
    met = "" if aim.met is None else "met" if aim.met else "**missed**"
    return [aim.text, aim.measured, met]


def picture(page: Page, chart: Chart) -> str:
    return f"![{chart.title}]({page.chart})"


def not_run(rows: Sequence[Row]) -> tuple[NotRun, ...]:
    return tuple(NotRun(row.name, row.why_not) for row in rows if row.why_not is not None)


def figures(
    name: str, row: Row, alone: tuple[float | None, float | None] = (None, None)
) -> Figures:
    """As main_table prints them; in brackets what Pants takes without an image: again, cold."""
    again, cold = (
        _cell(time, seconds) + ("" if pants is None else f" ({seconds(pants)})")
        for time, pants in zip((row.no_op.median, row.cold.median), alone)
    )
    disk = row.sizes.disk if row.sizes else None
    return Figures(name, _cell(disk, mb), _cell(row.wire, mb), again, cold)


def figures_table(found: Sequence[Figures]) -> str:
    titles = ["hlint and git as an image", "disk, MB", "wire, MB"]
    titles += ["built again, unchanged, s", "built from nothing, s"]
    lines = [table_line(titles), table_line(["---"] + ["---:"] * 4)]
    return "\n".join([*lines, *(table_line(astuple(row)) for row in found)])


def _cell(value: float | None, form: Callable[[float], str]) -> str:
    return "–" if value is None else form(value)


def commands(peers: Sequence[Peer]) -> str:
    lines = []
    for peer in peers:
        lines.append(f"# {peer.name}" + (f" ({peer.note})" if peer.note else ""))
        lines += peer.shown()
    return "\n".join(["```sh", *lines, "```"])


def table_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
