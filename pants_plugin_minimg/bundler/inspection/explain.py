"""Why each path of a plan is in the image, and what would leave with it.

A reason names what brought a path, by its own path, or is a wish of the target. A path dominates
what has no reason without it (Lengauer and Tarjan, 1979; computed by Cooper, Harvey and Kennedy,
"A Simple, Fast Dominance Algorithm").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.sysroots.sysroot import TreeSysroot
from pants_plugin_minimg.bundler.text import path_bytes, text

_WORD = re.compile(r"/[^ ;,]*")
#: Shown of a tree, before the rest is summed.
_MOST_CHILDREN = 12


@dataclass(frozen=True)
class Node:
    """A path: `own` bytes, and `brings`: with all that would leave the image with it."""

    path: bytes
    own: int
    brings: int
    reasons: tuple[str, ...]


class Explanation:
    """Of the entries of a plan; `loaded` is the plan's, by which libraries have other names."""

    def __init__(self, entries: Sequence[Entry], loaded: dict[str, Any]) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._names = _names(loaded)
        self._tree = _tree(entries)
        self._above = {path: self._parents(entry) for path, entry in self._entries.items()}
        self._order = self._sorted()
        self._dominator = self._dominators()
        self._brings = self._sums()

    def node(self, path: bytes) -> Node:
        entry = self._entries[path]
        return Node(path, entry.size, self._brings[path], tuple(entry.reasons))

    def total(self) -> int:
        return sum(entry.size for entry in self._entries.values())

    def find(self, name: str) -> list[bytes]:
        """The paths that a path, a file name or a soname stands for. Raises MinimgError MINIMG-E002
        when none does."""
        try:
            wanted = path_bytes(name)
        except ValueError:  # it is not as we write paths, so it is one as it is
            wanted = name.encode("utf-8", "surrogateescape")
        if wanted in self._entries:
            return [wanted]
        found = [path for path in self._entries if path.rpartition(b"/")[2] == wanted]
        found += [path for path in self._names.get(name, ()) if path not in found]
        if not found:
            raise MinimgError("MINIMG-E002", name, "no path of the image is called so")
        return sorted(found)

    def chain(self, path: bytes) -> list[tuple[bytes, str]]:
        """From the path up to a wish of the target, each with its reason: the shortest way."""
        previous: dict[bytes, bytes] = {}
        queue, seen = [path], {path}
        end = path
        for current in queue:
            if not self._above[current]:
                end = current
                break
            for parent in self._above[current]:
                if parent not in seen:
                    seen.add(parent)
                    previous[parent] = current
                    queue.append(parent)
        way = [end]
        while way[-1] != path:
            way.append(previous[way[-1]])
        way.reverse()
        return [(each, self._reason(each, above)) for each, above in zip(way, [*way[1:], None])]

    def children(self, path: bytes | None) -> list[Node]:
        """What a path alone keeps in the image, the largest first; None: what nothing keeps."""
        below = [each for each, above in self._dominator.items() if above == path]
        nodes = map(self.node, below)
        return sorted(nodes, key=lambda node: (-node.brings, node.path))

    def _parents(self, entry: Entry) -> list[bytes]:
        found = []
        for reason in entry.reasons:
            above = self.named(reason, entry.path)
            if above is None:
                return []  # a wish: it stays whatever leaves
            found.append(above)
        return list(dict.fromkeys(found))

    def named(self, reason: str, own: bytes) -> bytes | None:
        """The path that a reason of `own` is about; None for a wish of the target."""
        for word in _WORD.findall(reason):
            try:
                path = path_bytes(word)
            except ValueError:
                continue
            # Reasons name a path as it is asked for, often through links.
            real = self._tree.walk(path).real
            for each in (real, path):
                if each != own and each in self._entries:
                    return each
        return None

    def _reason(self, path: bytes, above: bytes | None) -> str:
        reasons = self._entries[path].reasons
        for reason in reasons:
            if self.named(reason, path) == above:
                return reason
        return reasons[0] if reasons else "it is there"

    def _sorted(self) -> list[bytes]:
        """In the order of a walk from the wishes down, so that most parents come first."""
        below: dict[bytes, list[bytes]] = {}
        for path, parents in self._above.items():
            for parent in parents:
                below.setdefault(parent, []).append(path)
        queue = [path for path, parents in self._above.items() if not parents]
        seen = set(queue)
        for path in queue:
            for child in below.get(path, ()):
                if child not in seen:
                    seen.add(child)
                    queue.append(child)
        # What only keeps itself in a circle has no wish above it.
        for path in self._above:
            if path not in seen:
                self._above[path] = []
                queue.append(path)
        return queue

    def _dominators(self) -> dict[bytes, bytes | None]:
        number = {path: index for index, path in enumerate(self._order)}
        found: dict[bytes, bytes | None] = {}
        changed = True
        while changed:
            changed = False
            for path in self._order:
                known = [parent for parent in self._above[path] if parent in found]
                new: bytes | None = known[0] if known else None
                for parent in known[1:]:
                    new = _common(new, parent, found, number)
                if not self._above[path]:
                    new = None
                if path not in found or found[path] != new:
                    found[path] = new
                    changed = True
        return found

    def _sums(self) -> dict[bytes, int]:
        sums = {path: entry.size for path, entry in self._entries.items()}
        for path in sorted(self._order, key=self._depths().__getitem__, reverse=True):
            above = self._dominator[path]
            if above is not None:
                sums[above] += sums[path]
        return sums

    def _depths(self) -> dict[bytes, int]:
        depths: dict[bytes, int] = {}
        for path in self._order:
            way = []
            at: bytes | None = path
            while at is not None and at not in depths:
                way.append(at)
                at = self._dominator[at]
            depth = 0 if at is None else depths[at] + 1
            for each in reversed(way):
                depths[each] = depth
                depth += 1
        return depths


def _common(
    one: bytes | None,
    other: bytes | None,
    dominator: dict[bytes, bytes | None],
    number: dict[bytes, int],
) -> bytes | None:
    """The nearest that dominates both; None: only the image itself."""
    while one != other:
        if one is None or other is None:
            return None
        if number[one] > number[other]:
            one = dominator[one]
        else:
            other = dominator[other]
    return one


def _tree(entries: Sequence[Entry]) -> TreeSysroot:
    """For its links alone: whatever else there is may as well be a folder."""
    tree = TreeSysroot()
    for entry in entries:
        if entry.kind == "link":
            tree.add_link(entry.path, entry.target or b"")
        else:
            tree.add_dir(entry.path)
    return tree


def _names(loaded: dict[str, Any]) -> dict[str, list[bytes]]:
    """Under which names programs ask for libraries -> the files that these are."""
    found: dict[str, list[bytes]] = {}
    for facts in loaded.values():
        for library in facts["libraries"]:
            paths = found.setdefault(library["name"], [])
            path = path_bytes(library["path"])
            if path not in paths:
                paths.append(path)
    return found


def chain_lines(explanation: Explanation, name: str) -> Iterator[str]:
    """For each path that `name` stands for: itself, and what it is there for."""
    for path in explanation.find(name):
        node = explanation.node(path)
        more = f", {shown(node.brings)} with what it alone brings" if node.brings > node.own else ""
        yield f"{text(path)} ({shown(node.own)}{more})"
        for depth, (each, reason) in enumerate(explanation.chain(path), 1):
            indent = "  " * depth
            yield f"{indent}{reason}" if each == path else f"{indent}{text(each)}: {reason}"


def tree_lines(explanation: Explanation) -> Iterator[str]:
    """Who brings what, the largest first, with shares of the whole."""
    total = explanation.total()
    yield f"{shown(total)} in all"
    yield from _below(explanation, None, 1, total)


def _below(explanation: Explanation, path: bytes | None, depth: int, total: int) -> Iterator[str]:
    pending = [(depth, node) for node in _first(explanation, path)]
    pending.reverse()
    while pending:
        depth, node = pending.pop()
        indent = "  " * depth
        if isinstance(node, str):
            yield indent + node
            continue
        share = 100 * node.brings / total if total else 0
        yield f"{indent}{shown(node.brings):>8} {share:5.1f} %  {text(node.path)}"
        pending += [(depth + 1, each) for each in reversed(_first(explanation, node.path))]


def _first(explanation: Explanation, path: bytes | None) -> list[Node | str]:
    """The largest; those behind them, and what has no bytes, as one line."""
    nodes = [node for node in explanation.children(path) if node.brings]
    rest = nodes[_MOST_CHILDREN:]
    out: list[Node | str] = [*nodes[:_MOST_CHILDREN]]
    if rest:
        out.append(f"{shown(sum(node.brings for node in rest)):>8}          {len(rest)} more")
    return out


def to_json(explanation: Explanation, names: Sequence[str]) -> dict[str, Any]:
    """`paths`: what was asked for, or all; `chain` goes from the path up to the target."""
    if names:
        wanted = [path for name in names for path in explanation.find(name)]
    else:
        wanted = sorted(explanation._entries)
    return {
        "version": 1,
        "total": explanation.total(),
        "paths": [
            {
                "path": text(path),
                "size": explanation.node(path).own,
                "brings": explanation.node(path).brings,
                "chain": [
                    {"path": text(each), "reason": reason}
                    for each, reason in explanation.chain(path)
                ],
            }
            for path in wanted
        ],
    }
