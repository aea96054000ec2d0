"""Plots: where points, ticks and words of the legend stand."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.chart import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, log_ticks, svg, ticks
from benchmarks.record import Chart, Line

NAMESPACE = "{http://www.w3.org/2000/svg}"
GROWING = Line("growing <fast> & far", ((1, 1), (10, 10), (100, 100)))
FLAT = Line("flat", ((1, 2), (100, 2)))
FLOOR = Line("its floor", ((1, 1), (100, 1)), floor=True)


def drawn(*lines: Line, log: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(svg(Chart("A title", "images", "seconds", lines, log)))


def found(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return root.findall(NAMESPACE + name)


def points(root: ElementTree.Element, number: int = 0) -> list[tuple[float, float]]:
    pairs = found(root, "polyline")[number].attrib["points"].split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def words(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in found(root, "text")]


def test_equal_factors_are_equal_steps_on_logarithmic_axes() -> None:
    (x1, y1), (x2, y2), (x3, y3) = points(drawn(GROWING, log=True))
    assert (x1, y1) == (LEFT, HEIGHT - BOTTOM)
    assert x3 == WIDTH - RIGHT
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)


def test_axes_that_are_not_begin_at_nothing() -> None:
    (x1, y1), (x2, y2), (x3, y3) = points(drawn(GROWING))
    assert (x2 - LEFT) / (x3 - LEFT) == pytest.approx(0.1, abs=0.001)
    base = HEIGHT - BOTTOM
    assert (base - y2) / (base - y3) == pytest.approx(0.1, abs=0.001)


def test_the_axes_say_what_they_are_and_where_the_points_stand() -> None:
    texts = words(drawn(Line("a", ((2500, 0.35), (10000, 1.52)))))
    assert {"A title", "images", "seconds", "a", "2,500", "10,000"} <= set(texts)
    assert {"0", "0.2", "1.4", "1.6"} <= set(texts)


def test_a_name_is_text_whatever_it_has_in_it() -> None:
    assert GROWING.name in words(drawn(GROWING, log=True))


def test_a_floor_has_the_colour_of_what_it_is_the_floor_of_and_dashes() -> None:
    first, second, floor = found(drawn(GROWING, FLAT, FLOOR, log=True), "polyline")
    assert first.attrib["class"] == "line c0"
    assert second.attrib["class"] == "line c1"
    assert floor.attrib["class"] == "line c1 floor"


def test_the_legend_stays_within_the_picture_and_above_the_plot() -> None:
    lines = [Line(f"a name of some length, number {number}", ((1, 1),)) for number in range(6)]
    root = drawn(*lines)
    top = min(float(line.attrib["y1"]) for line in found(root, "line")
              if line.attrib["class"] == "grid")  # fmt: skip
    legend = [text for text in found(root, "text") if (text.text or "").startswith("a name")]
    assert len(legend) == 6
    for text in legend:
        assert float(text.attrib["x"]) + 7 * len(text.text or "") < WIDTH
        assert float(text.attrib["y"]) < top
    places = {(text.attrib["x"], text.attrib["y"]) for text in legend}
    assert len(places) == 6


def test_one_value_alone_is_drawn() -> None:
    ((x, y),) = points(drawn(Line("one", ((7, 3),)), log=True))
    assert LEFT < x < WIDTH - RIGHT
    assert 0 < y < HEIGHT - BOTTOM


def test_the_text_is_the_same_each_time() -> None:
    chart = Chart("t", "x", "y", (GROWING, FLOOR), True)
    assert svg(chart) == svg(chart)
    assert svg(chart).startswith("<svg ") and svg(chart).endswith("</svg>\n")


def test_a_plot_of_nothing_and_a_logarithm_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw in 'A title'"):
        drawn(Line("empty", ()))
    with pytest.raises(ValueError, match="not above 0 in 'A title'"):
        drawn(Line("zero", ((1, 0.0),)), log=True)


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (1.52, [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (10, [0, 2, 4, 6, 8, 10]),
        (90, [0, 20, 40, 60, 80, 100]),
        (0.003, [0, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003]),
        (0, [0, 1]),
    ],
)
def test_ticks_are_round(largest: float, expected: list[float]) -> None:
    assert ticks(largest) == expected


@pytest.mark.parametrize(
    ("least", "largest", "expected"),
    [
        (2.0, 94.8, [2, 5, 10, 20, 50, 100]),
        (0.3, 1, [0.2, 0.5, 1]),
        (1, 1, [1, 2]),
        (7, 7, [5, 10]),
        (0.001, 0.002, [0.001, 0.002]),
        (999, 1000, [500, 1000]),
    ],
)
def test_ticks_of_a_logarithmic_axis_enclose_what_is_drawn(
    least: float, largest: float, expected: list[float]
) -> None:
    assert log_ticks(least, largest) == expected
