"""Areas in proportion to bytes.

The layout is that of Bruls, Huizing and van Wijk, "Squarified treemaps" (2000): rows along the
shorter side, each as long as its worst rectangle gets no thinner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """In units of the drawing, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def layout(sizes: Sequence[float], within: Box) -> list[Box]:
    """One box for each size, in their order. Sizes are positive and sorted, the largest first."""
    total = sum(sizes)
    scale = within.width * within.height / total if total else 0
    areas = [size * scale for size in sizes]
    boxes: list[Box] = []
    left = within
    row: list[float] = []
    for area in areas:
        side = min(left.width, left.height)
        if row and _worst([*row, area], side) > _worst(row, side):
            boxes += _row(row, left)
            left = _rest(row, left)
            row = []
        row.append(area)
    return boxes + _row(row, left)


def _worst(row: Sequence[float], side: float) -> float:
    """The greatest ratio of sides in a row along `side`."""
    total = sum(row)
    if not total or not side:
        return float("inf")
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))


def _row(row: Sequence[float], left: Box) -> list[Box]:
    """The row's boxes, along the shorter side of what is left."""
    boxes = []
    across = left.width >= left.height
    side = left.height if across else left.width
    depth = sum(row) / side if side else 0
    at = left.y if across else left.x
    for area in row:
        length = area / depth if depth else 0
        boxes.append(Box(left.x, at, depth, length) if across else Box(at, left.y, length, depth))
        at += length
    return boxes


def _rest(row: Sequence[float], left: Box) -> Box:
    if left.width >= left.height:
        depth = sum(row) / left.height if left.height else 0
        return Box(left.x + depth, left.y, max(left.width - depth, 0), left.height)
    depth = sum(row) / left.width if left.width else 0
    return Box(left.x, left.y + depth, left.width, max(left.height - depth, 0))
