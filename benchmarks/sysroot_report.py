"""The sections of docs/benchmarks-sysroots.md, in Markdown; an empty list for what did not run."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from benchmarks import report, sysroot_peers
from benchmarks.image_file import Sizes
from benchmarks.main_job import WAYS
from benchmarks.measure import paired
from benchmarks.ours_times import FirstTimes, OurTimes, Times4
from benchmarks.peers.peer import Peer
from benchmarks.record import Aim, NotRun
from benchmarks.report import mb, table_line
from benchmarks.rows import Row
from benchmarks.sysroot_builds import ADDED, FLAGSHIP, NARROW, REACHES, Growing
from benchmarks.sysroot_peers import LOCAL
from benchmarks.sysroot_plan import ALL, DIRECTORY, SMALL, TARS, PlanRuns, Series

Peers = Sequence[tuple[Optional[Peer], Row]]


def _ways(times: OurTimes) -> list[tuple[str, Times4]]:
    return list(zip(WAYS, (times.without_daemon, times.with_daemon)))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(titles) - 1)
    return "\n".join(map(table_line, [titles, rule, *lines]))


def builds(
    first: FirstTimes | None,
    ours: Mapping[str, OurTimes],
    rows: Mapping[str, Sequence[Row]],
    peers: Peers,
) -> list[str]:
    all_rows = [row for group in rows.values() for row in group] + [row for _, row in peers]
    if not all_rows:
        return []
    parts = [
        "## hlint and git from locked packages",
        "*downloaded*: the packages lie in a folder of this machine, and no network is used. Ours "
        "has the sandbox tool built and nothing else of the image cached. ▼ marks a figure of ours "
        "that a peer whose image starts betters.",
        report.main_table(all_rows),
        report.failures(all_rows),
    ]
    if first is not None and ours:
        ways = [
            (f"{scenario}, {way}", times)
            for scenario, both in ours.items()
            for way, times in _ways(both)
        ]
        parts += [report.pants_table(first, ways)]
    ratios = _against_peers(ours, peers)
    if ratios:
        parts += [
            "Seconds beyond Pants' own start, by a peer's of the same round:",
            _table(["", "ours beyond, s", "peer, s", "ours ÷ peer"], ratios),
        ]
    return parts


def _against_peers(ours: Mapping[str, OurTimes], peers: Peers) -> list[list[str]]:
    lines = []
    for scenario, both in ours.items():
        for way, times in _ways(both):
            for _, row in peers:
                if row.why_not is None and row.name.endswith(f", {scenario}"):
                    beyond = times.beyond_runs()
                    ratio = paired(beyond, row.cold, operator.truediv)
                    values = (beyond.median, row.cold.median, ratio)
                    lines.append([f"{way} ÷ {row.name}", *map(_number, values)])
    return lines


def growing(found: Growing | None) -> list[str]:
    if found is None:
        return []
    lines = []
    for target, which in ((REACHES, "all packages"), (NARROW, "hlint and git alone")):
        for pantsd, way in enumerate(WAYS):
            change = found.changes[target, bool(pantsd)]
            values = (change.no_op.median, change.changed.median, change.ratio())
            lines.append([f"an image that may use {which}, {way}", *map(_number, values)])
    titles = ["", "no-op, s", "with a package more, s", "ratio"]
    return [
        f"## `{ADDED}` added to the sysroot",
        "A warm rebuild after `packages` and the lock got one more entry; packages from a folder.",
        _table(titles, lines),
        f"Processes that ran beside those of a no-op: {_listed(found.ran[REACHES])}; for the image "
        f"that cannot use it: {_listed(found.ran[NARROW])}. Fetched: "
        f"{_listed(found.fetched[REACHES])}; for the image that cannot use it: "
        f"{_listed(found.fetched[NARROW])}.",
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def large(found: PlanRuns | None) -> list[str]:
    if found is None:
        return []
    size = found.large.tar_bytes
    memory = [
        _sides(f"`plan` of an image of {wanted}", found.memory[wanted], mb, size)
        if wanted not in found.why_not
        else [f"`plan` of {wanted}", f"not run: {found.why_not[wanted]}", "", "", ""]
        for wanted in (SMALL, ALL)
    ]
    memory.append(_sides("the closures below, alone", found.closure_memory, mb, size))
    names = {
        "open": "opening the sysroot",
        "closure": "the closures",
        "both": "both",
        "process": "the process as a whole",
    }
    times = [_sides(names[name], series, _number) for name, series in found.closure.items()]
    times += [
        _sides(f"`plan` of an image of {wanted}", found.seconds[wanted], _number)
        for wanted in (SMALL, ALL)
        if wanted not in found.why_not
    ]
    differing = found.differing()
    return [
        f"## A sysroot of {len(found.large.packages)} packages",
        f"Packages of {mb(found.large.deb_bytes)} MB, {mb(size)} MB unpacked, read in place as "
        "tars, beside the same files in a directory. Most memory that the process had:",
        _table(["", "tars, MB", "directory, MB", "tars ÷ directory", "tars ÷ sysroot"], memory),
        f"The closure of all {len(found.large.programs)} programs of /usr/bin in one process, with "
        f"the page cache warm (answers that differ: {len(differing)}), and `plan` within its "
        f"process; {len(found.complete)} of the programs are ELF and complete:",
        _table(["", "tars, s", "directory, s", "tars ÷ directory"], times),
    ]


def _sides(
    name: str, series: Series, form: Callable[[float], str], whole: int | None = None
) -> list[str]:
    tars, directory = series.median(TARS), series.median(DIRECTORY)
    cells = [name, *("–" if value is None else form(value) for value in (tars, directory))]
    # Opening a directory is nothing: no ratio.
    ratio = series.ratio() if directory and directory > 0.001 else None
    cells.append(_number(ratio))
    if whole is not None:
        cells.append(_number(None if tars is None else tars / whole))
    return cells


def sizes(found: Mapping[str, Sizes]) -> list[str]:
    if not found:
        return []
    lines = []
    for name, kind in (("plain", "plain"), ("packed", "with UPX")):
        bare, full = found[name], found[f"{name}_records"]
        for what in ("disk", "stored", "alike", "files"):
            without, given = getattr(bare, what), getattr(full, what)
            cells = [str(size) if what == "files" else mb(size) for size in (without, given)]
            lines.append([f"{kind}: {_SIZES[what]}", *cells, f"{given / without:.3f}"])
    titles = ["", "without records", "with records", "ratio"]
    return [
        "## What records of packages take",
        "hlint and git from the packages of the examples, with `package_records` off and on.",
        _table(titles, lines),
    ]


_SIZES = {
    "disk": "on disk, MB",
    "stored": "on the wire, MB",
    "alike": "on the wire by `gzip -6`, MB",
    "files": "files",
}


def aims(ours: Mapping[str, OurTimes], grown: Growing | None, plans: PlanRuns | None) -> list[Aim]:
    """The figures that this project set itself, met or not."""
    found = []
    for way, times in _ways(ours[LOCAL]) if LOCAL in ours else ():
        ratio = times.no_op_ratio()
        if ratio is not None:
            text = f"{FLAGSHIP}, {way}: no-op ÷ an archive's ≤ 1.10"
            found.append(Aim(text, f"{ratio:.2f}", ratio <= 1.1))
    if grown is not None:
        did = [name for name in grown.ran[REACHES] if name.startswith("Unpack ")]
        unpacked = _listed([*grown.fetched[REACHES], *did])
        text = f"with `{ADDED}` more: only it is fetched and unpacked"
        found.append(Aim(text, unpacked, grown.only_the_new_one()))
        narrow = [name for name in grown.ran[NARROW] if not name.startswith("Read ")]
        text = "an image that cannot use it runs nothing but the reading of the lock"
        found.append(Aim(text, _listed(narrow), not narrow))
    if plans is not None:
        for name, what in (("closure", "closures alone"), ("both", "opening included")):
            ratio = plans.closure[name].ratio()
            if ratio is not None:
                text = f"the closure on stacked tars ÷ on a directory, {what}, ≤ 2"
                found.append(Aim(text, f"{ratio:.2f}", ratio <= 2))
    return found


def not_run(peers: Peers, plans: PlanRuns | None) -> tuple[NotRun, ...]:
    found = report.not_run([row for _, row in peers])
    planned = plans.why_not.items() if plans is not None else ()
    return (*found, *(NotRun(f"`plan` of {wanted}", why) for wanted, why in planned))


def commands(peers: Peers) -> list[str]:
    ran = [peer for peer, _ in peers if peer is not None]
    if not ran:
        return []
    parts = ["## The peers' commands", report.commands(ran)]
    if any("build" in peer.name for peer in ran):
        dockerfile = sysroot_peers.dockerfile("$BASE", "$INSTALL").rstrip()
        parts += [
            "`$BASE` is a debootstrap of the suite; for *downloaded* the packages lie in its apt "
            "cache, and `$INSTALL` says `--no-download` where it else begins with "
            "`apt-get update`.",
            "\n".join(["```dockerfile", dockerfile, "```"]),
        ]
    return parts
