"""A plot as SVG. Two plots of lines over an axis are no reason for a plotting library, which would
be the only dependency of the benchmarks, and whose text differs from version to version."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree

from benchmarks.record import Chart, Line

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, BOTTOM = 70, 34, 60
_TITLE, _LEGEND, _ROW = 30, 54, 22  # base lines of the texts above the plot, and a row's height
_SAMPLE = 30  # what the piece of a line in the legend takes, pixels
_LETTER = 6.8  # about the width of one in 13 pixels; no font is asked
# A background of its own, so that it is readable where a viewer knows no dark scheme.
_STYLE = """
svg { font: 13px system-ui, "DejaVu Sans", sans-serif }
.back { fill: #ffffff } text { fill: #24292f } .title { font-weight: bold; font-size: 15px }
.axis { stroke: #57606a } .grid { stroke: #d8dee4 } .line { fill: none; stroke-width: 2 }
.floor { stroke-dasharray: 6 4 }
.c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 } .c3 { stroke: #8250df }
.d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #1a7f37 } .d3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } text { fill: #e6edf3 } .axis { stroke: #8b949e } .grid { stroke: #30363d }
.c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 } .c3 { stroke: #bc8cff }
.d0 { fill: #58a6ff } .d1 { fill: #f0883e } .d2 { fill: #3fb950 } .d3 { fill: #bc8cff }
}
"""
COLOURS = 4


def svg(chart: Chart) -> str:
    """The same text for the same chart. Raises ValueError for one that cannot be drawn."""
    points = [point for line in chart.lines for point in line.points]
    if not points:
        raise ValueError(f"nothing to draw in {chart.title!r}")
    if chart.log and min(min(point) for point in points) <= 0:
        raise ValueError(f"no logarithm of what is not above 0 in {chart.title!r}")
    root = ElementTree.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        height=str(HEIGHT),
        role="img",
    )
    _add(root, "title", chart.title)
    _add(root, "style", _STYLE)
    _add(root, "rect", width=WIDTH, height=HEIGHT, **{"class": "back"})
    _add(root, "text", chart.title, x=LEFT, y=_TITLE, **{"class": "title"})
    top = _legend(root, chart.lines)
    xs, ys = sorted({x for x, _ in points}), ticks(max(y for _, y in points))
    if chart.log:
        ys = log_ticks(min(y for _, y in points), max(y for _, y in points))
    across = _scale(xs[0] if chart.log else 0, xs[-1], LEFT, WIDTH - RIGHT, chart.log)
    down = _scale(ys[0], ys[-1], HEIGHT - BOTTOM, top, chart.log)
    _axes(root, chart, [(x, across(x)) for x in xs], [(y, down(y)) for y in ys], top)
    for number, line in _coloured(chart.lines):
        at = [(across(x), down(y)) for x, y in line.points]
        _add(root, "polyline", points=" ".join(f"{x},{y}" for x, y in at), **_stroke(number, line))
        for x, y in at:
            _add(root, "circle", cx=x, cy=y, r=3.5, **{"class": f"d{number}"})
    ElementTree.indent(root, "")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def ticks(largest: float) -> list[float]:
    """From 0 to `largest` or a little more, four to ten round steps."""
    if largest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(largest))
    step = next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if largest / (power * part) <= 8)
    # Multiplied, not added up, and rounded: 0.6, not 0.6000000000000001.
    return [round(step * number, 9) for number in range(math.ceil(largest / step - 1e-9) + 1)]


def log_ticks(least: float, largest: float) -> list[float]:
    """1, 2 and 5 in each power of ten, from the last one at or below `least` to the first one at
    or above `largest`."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(largest)) + 1)
    every = [float(f"{part}e{power}") for power in powers for part in (1, 2, 5)]
    first = max(index for index, tick in enumerate(every) if tick <= least)
    last = min(index for index, tick in enumerate(every) if tick >= largest)
    return every[first : max(last, first + 1) + 1]


def _scale(
    low: float, high: float, start: float, end: float, log: bool
) -> Callable[[float], float]:
    """From values to pixels, to a tenth."""

    def form(value: float) -> float:
        return math.log10(value) if log else value

    # One value alone stands in the middle.
    span = form(high) - form(low)

    def at(value: float) -> float:
        share = (form(value) - form(low)) / span if span else 0.5
        return round(start + (end - start) * share, 1)

    return at


def _legend(root: ElementTree.Element, lines: Sequence[Line]) -> int:
    """Where the plot begins below it."""
    x, y = float(LEFT), _LEGEND
    for number, line in _coloured(lines):
        width = _SAMPLE + 8 + len(line.name) * _LETTER + 20
        if x > LEFT and x + width > WIDTH:
            x, y = float(LEFT), y + _ROW
        middle = y - 4
        begin = round(x, 1)
        _add(root, "line", x1=begin, y1=middle, x2=round(x + _SAMPLE, 1), y2=middle,
             **_stroke(number, line))  # fmt: skip
        _add(root, "text", line.name, x=round(x + _SAMPLE + 8, 1), y=y)
        x += width
    return y + _ROW


def _axes(
    root: ElementTree.Element,
    chart: Chart,
    xs: Sequence[tuple[float, float]],
    ys: Sequence[tuple[float, float]],
    top: int,
) -> None:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, y in ys:
        _add(root, "line", x1=LEFT, y1=y, x2=right, y2=y, **{"class": "grid"})
        _add(root, "text", f"{value:,g}", x=LEFT - 8, y=round(y + 4, 1), **{"text-anchor": "end"})
    for value, x in xs:
        _add(root, "line", x1=x, y1=floor, x2=x, y2=floor + 5, **{"class": "axis"})
        _add(root, "text", f"{value:,g}", x=x, y=floor + 20, **{"text-anchor": "middle"})
    _add(root, "line", x1=LEFT, y1=floor, x2=right, y2=floor, **{"class": "axis"})
    _add(root, "line", x1=LEFT, y1=top, x2=LEFT, y2=floor, **{"class": "axis"})
    centre, middle = (LEFT + right) // 2, (top + floor) // 2
    _add(root, "text", chart.x, x=centre, y=HEIGHT - 14, **{"text-anchor": "middle"})
    turned = {"text-anchor": "middle", "transform": f"rotate(-90 18 {middle})"}
    _add(root, "text", chart.y, x=18, y=middle, **turned)


def _coloured(lines: Sequence[Line]) -> Iterator[tuple[int, Line]]:
    """A floor has the colour of what it is the floor of."""
    number = -1
    for line in lines:
        number += 0 if line.floor and number >= 0 else 1
        yield number % COLOURS, line


def _stroke(number: int, line: Line) -> dict[str, str]:
    return {"class": f"line c{number} floor" if line.floor else f"line c{number}"}


def _add(
    parent: ElementTree.Element, name: str, text: str | None = None, **given: object
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name, {key: str(of) for key, of in given.items()})
    child.text = text
    return child
