"""What a benchmark hands over beside its page: its aims, its growth, and what it could not run.

The overview, the plots and the README are made of these, kept as JSON in docs/benchmarks/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Aim:
    """A figure that the project set itself. `met` is None for one that is there for comparison,
    and for one that was not measured, which `measured` says."""

    text: str
    measured: str
    met: bool | None


@dataclass(frozen=True)
class Line:
    """A line of a plot, points from left to right. `floor`: what the line before cannot beat."""

    name: str
    points: tuple[tuple[float, float], ...]
    floor: bool = False


@dataclass(frozen=True)
class Chart:
    """`x` and `y` name the axes, with units; `log`: both are logarithmic, else both begin at 0."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    log: bool = False


@dataclass(frozen=True)
class Figures:
    """A system's figures that a user would ask for, as the page prints them: MB of the image on
    disk and on the wire, seconds of the same build again and of the first one."""

    name: str
    disk: str
    wire: str
    again: str
    cold: str


@dataclass(frozen=True)
class NotRun:
    """A part of a page that could not be measured here, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Record:
    """`table` is the page's own, in Markdown, for the overview. `machine` is in words, `date` is
    None where none was given."""

    aims: tuple[Aim, ...]
    table: str = ""
    chart: Chart | None = None
    figures: tuple[Figures, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    date: str | None = None
    machine: str = ""

    def dated(self, date: str | None, machine: str) -> Record:
        return replace(self, date=date, machine=machine)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> Record:
    raw = json.loads(text)
    return Record(
        tuple(Aim(**aim) for aim in raw["aims"]),
        raw["table"],
        None if raw["chart"] is None else _chart(raw["chart"]),
        tuple(Figures(**figures) for figures in raw["figures"]),
        tuple(NotRun(**part) for part in raw["not_run"]),
        raw["date"],
        raw["machine"],
    )


def _chart(raw: Mapping[str, Any]) -> Chart:
    lines = tuple(
        Line(line["name"], tuple((x, y) for x, y in line["points"]), line["floor"])
        for line in raw["lines"]
    )
    return Chart(raw["title"], raw["x"], raw["y"], lines, raw["log"])
