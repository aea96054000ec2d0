"""Who needs whom: programs and libraries in columns, each right of what needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.inspection.explain import Explanation
from pants_plugin_minimg.bundler.plan import Entry

#: How a reason begins that one program or library has for another.
_NEEDS = ("needed by ", "interpreter of ")
#: Shown; the smallest beyond it are left out.
_MOST = 120


@dataclass(frozen=True)
class Graph:
    """`columns` from left to right, `edges` from what needs to what is needed; `left_out` are those
    that would be too many."""

    columns: list[list[bytes]]
    edges: list[tuple[bytes, bytes]]
    left_out: int


def graph(entries: Sequence[Entry], explanation: Explanation) -> Graph:
    edges = []
    for entry in entries:
        for reason in entry.reasons:
            above = explanation.named(reason, entry.path) if reason.startswith(_NEEDS) else None
            if above is not None:
                edges.append((above, entry.path))
    sizes = {entry.path: entry.size for entry in entries if entry.kind == "file"}
    edges = [(one, other) for one, other in edges if one in sizes and other in sizes]
    nodes = sorted({path for edge in edges for path in edge}, key=lambda p: (-sizes[p], p))
    kept = set(nodes[:_MOST])
    edges = sorted({(one, other) for one, other in edges if {one, other} <= kept})
    depths = _depths(kept, edges)
    columns: list[list[bytes]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for path in sorted(kept):
        columns[depths[path]].append(path)
    return Graph(_ordered(columns, edges), edges, len(nodes) - len(kept))


def _depths(nodes: Iterable[bytes], edges: Sequence[tuple[bytes, bytes]]) -> dict[bytes, int]:
    """The longest way from what nothing needs; an edge that closes a circle does not count."""
    below: dict[bytes, list[bytes]] = {}
    for one, other in edges:
        below.setdefault(one, []).append(other)
    needed = {other for _, other in edges}
    starts = sorted(nodes, key=lambda path: (path in needed, path))
    order, closing = _walk(starts, below)
    depths = dict.fromkeys(order, 0)
    for path in reversed(order):
        for other in below.get(path, ()):
            if (path, other) not in closing:
                depths[other] = max(depths[other], depths[path] + 1)
    return depths


def _walk(
    starts: Iterable[bytes], below: Mapping[bytes, Sequence[bytes]]
) -> tuple[list[bytes], set[tuple[bytes, bytes]]]:
    """All nodes, each after what it leads to, and the edges that lead back to where a way began."""
    order: list[bytes] = []
    closing: set[tuple[bytes, bytes]] = set()
    seen: set[bytes] = set()
    for start in starts:
        way: list[tuple[bytes, Iterator[bytes]]] = []
        if start not in seen:
            way.append((start, iter(below.get(start, ()))))
            seen.add(start)
        on_way = {start}
        while way:
            path, rest = way[-1]
            other = next(rest, None)
            if other is None:
                order.append(path)
                on_way.discard(path)
                way.pop()
            elif other in on_way:
                closing.add((path, other))
            elif other not in seen:
                seen.add(other)
                on_way.add(other)
                way.append((other, iter(below.get(other, ()))))
    return order, closing


def _ordered(columns: list[list[bytes]], edges: Sequence[tuple[bytes, bytes]]) -> list[list[bytes]]:
    """Each column by the middle of what needs its members, so that few edges cross."""
    above: dict[bytes, list[bytes]] = {}
    for one, other in edges:
        above.setdefault(other, []).append(one)
    place: dict[bytes, float] = {}
    ordered = []
    for column in columns:
        middles = {
            path: sum(place.get(parent, 0.0) for parent in above.get(path, ()))
            / max(len(above.get(path, ())), 1)
            for path in column
        }
        ordered.append(sorted(column, key=lambda path: (middles[path], path)))
        for index, path in enumerate(ordered[-1]):
            place[path] = (index + 1) / (len(column) + 1)
    return ordered
