"""What the page shows of one image: its figures, drawings, layers and paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pants_plugin_minimg.bundler.html import needs, treemap
from pants_plugin_minimg.bundler.html.treemap import Box
from pants_plugin_minimg.bundler.inspection.explain import Explanation
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.text import path_bytes, text

_MAP = Box(0, 0, 1200, 560)
_HEAD = 18
#: Of the drawing of needs: a node and the room between nodes.
_NODE, _LINE, _GAP = 190, 22, 70


@dataclass(frozen=True)
class Group:
    """Files that belong together: of one package, or built by one target."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def sections(
    plan: Mapping[str, Any], image: Mapping[str, Any], ids: str = "", heading: str = "h2"
) -> Iterator[str]:
    """Of one of the `manifests` of an info JSON and its plan.json.

    `ids` begins the names of what is linked to on the page.
    """
    entries = [Entry.from_json(entry) for entry in plan["entries"]]
    explanation = Explanation(entries, plan["loaded"])
    rows = {entry.path: f"{ids}p{number}" for number, entry in enumerate(_by_size(entries))}
    yield _figures(image)
    parts = (
        ("Bytes by package and file", _treemap(groups(entries, plan["packages"]), rows)),
        ("Layers", _layers(image, entries)),
        ("Packed with UPX", _packed(image)),
        ("Who needs whom", _needs(needs.graph(entries, explanation), rows)),
        ("All paths", _paths(entries, rows, plan["packages"])),
    )
    for title, body in parts:
        if body:
            yield f"<{heading}>{title}</{heading}>\n{body}"


def groups(entries: Sequence[Entry], packages: Sequence[Mapping[str, Any]]) -> list[Group]:
    """The files with bytes, by package or origin, the largest group first."""
    names = _packages(packages)
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind == "file" and entry.size:
            by_name.setdefault(names.get(entry.path) or _origin(entry), []).append(entry)
    made = [Group(name, tuple(_by_size(own))) for name, own in by_name.items()]
    return sorted(made, key=lambda group: (-group.size, group.name))


def _packages(packages: Sequence[Mapping[str, Any]]) -> dict[bytes, str]:
    return {
        path_bytes(path): f"{package['name']} {package['version']}"
        for package in packages
        for path in package["files"]
    }


def _origin(entry: Entry) -> str:
    """The target that built it, or the sysroot's kind before the colon."""
    if entry.origin.startswith(("//", "generated")) or ":" not in entry.origin:
        return entry.origin
    kind, _, rest = entry.origin.partition(":")
    return kind if rest.startswith("/") else entry.origin


def _by_size(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (-entry.size, entry.path))


def platform_of(described: Mapping[str, Any]) -> str:
    """Such as `linux/amd64`, of what has a `platform`."""
    return "/".join(oci.platform(described["platform"]).values())


def _figures(image: Mapping[str, Any]) -> str:
    figures = [
        (shown(image["size_on_disk"]), "on disk"),
        (shown(image["size_on_wire"]), "on the wire"),
        (str(image["files"]), "files"),
        (str(len(image["layers"])), "layers"),
        (platform_of(image), "platform"),
    ]
    items = "".join(f"<li><b>{escape(value)}</b>{label}</li>" for value, label in figures)
    return f'<p><code>{escape(image["digest"])}</code></p>\n<ul class="figures">{items}</ul>'


def _treemap(made: Sequence[Group], rows: Mapping[bytes, str]) -> str:
    shapes = []
    boxes = treemap.layout([group.size for group in made], _MAP)
    for number, (group, box) in enumerate(zip(made, boxes)):
        shapes += list(_group(group, box, number * 137 % 360, rows))
    return (
        f'<svg viewBox="0 0 {_MAP.width:.0f} {_MAP.height:.0f}" role="img" '
        'aria-label="Areas in proportion to bytes; the same figures are in the list of paths">\n'
        + "\n".join(shapes)
        + "\n</svg>"
    )


def _group(group: Group, box: Box, hue: int, rows: Mapping[bytes, str]) -> Iterator[str]:
    # The head is cut off only where enough is left for the files.
    head = _HEAD if box.height > 3 * _HEAD and box.width > 60 else 0
    inner = Box(box.x, box.y + head, box.width, box.height - head)
    sizes = [entry.size for entry in group.entries]
    for entry, place in zip(group.entries, treemap.layout(sizes, inner)):
        name = text(entry.path)
        label = f"{name}, {shown(entry.size)}, {group.name}"
        yield (
            f'<a href="#{rows[entry.path]}"><title>{escape(label)}</title>'
            f'<rect class="file" {_rect(place)} fill="hsl({hue} 55% 72%)"/>'
            + _label(name.rpartition("/")[2], place)
            + "</a>"
        )
    yield f'<rect class="group" {_rect(box)}/>'
    if head:
        named = f"{group.name}, {shown(group.size)}"
        yield _text(box.x + 4, box.y + 13, _cut(named, box.width), "on")


def _rect(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'


def _label(name: str, box: Box) -> str:
    if box.width < 48 or box.height < 16:
        return ""
    return _text(box.x + 4, box.y + 13, _cut(name, box.width))


def _cut(value: str, width: float) -> str:
    """As much of a text as a box of that width shows."""
    most = int((width - 8) / 6.7)
    return value if len(value) <= most else value[: max(most - 1, 0)] + "…"


def _text(x: float, y: float, value: str, style: str = "") -> str:
    attribute = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(value)}</text>'


def _layers(image: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    numbers = sorted({entry.layer for entry in entries})
    rows = []
    for number, layer in zip(numbers, image["layers"]):
        own = [entry for entry in entries if entry.layer == number and entry.kind != "dir"]
        disk = sum(entry.size for entry in own)
        rows.append(
            f'<tr><td>{number}</td><td class="number">{len(own)}</td>'
            f'<td class="number">{shown(disk)}</td><td class="number">{shown(layer["size"])}</td>'
            f"<td><code>{escape(layer['digest'])}</code></td></tr>"
        )
    return (
        '<table><tr><th>layer</th><th class="number">files</th>'
        '<th class="number">before packing</th><th class="number">compressed</th>'
        "<th>digest</th></tr>\n" + "\n".join(rows) + "\n</table>"
    )


def _packed(image: Mapping[str, Any]) -> str:
    programs = image["upx"]["programs"]
    if not programs:
        return ""
    rows = [
        f'<tr><td class="path">{escape(program["path"])}</td>'
        f'<td class="number">{shown(program["plain"])}</td>'
        f'<td class="number">{shown(program["packed"])}</td>'
        f"<td>{escape(program['outcome'])} {escape(program['reason'])}</td></tr>"
        for program in programs
    ]
    return (
        '<table><tr><th>program</th><th class="number">plain</th>'
        '<th class="number">packed</th><th></th></tr>\n' + "\n".join(rows) + "\n</table>"
    )


def _needs(found: needs.Graph, rows: Mapping[bytes, str]) -> str:
    if not found.edges:
        return ""
    places = {
        path: (column * (_NODE + _GAP) + 4, line * (_LINE + 8) + 4)
        for column, paths in enumerate(found.columns)
        for line, path in enumerate(paths)
    }
    width = max(x for x, _ in places.values()) + _NODE + 4
    height = max(y for _, y in places.values()) + _LINE + 4
    shapes = [_edge(places[one], places[other]) for one, other in found.edges]
    for path, (x, y) in places.items():
        name = text(path)
        box = Box(x, y, _NODE, _LINE)
        shapes.append(
            f'<a href="#{rows[path]}"><title>{escape(name)}</title>'
            f'<rect class="file" {_rect(box)} rx="4" fill="hsl(210 45% 82%)"/>'
            + _text(x + 6, y + 15, _cut(name.rpartition("/")[2], _NODE))
            + "</a>"
        )
    more = f"<p>{found.left_out} smaller ones are left out.</p>\n" if found.left_out else ""
    return (
        "<p>From programs on the left to the libraries that they need; "
        f'each leads to its row below.</p>\n{more}<div class="scroll" tabindex="0" role="region" '
        f'aria-label="Who needs whom"><svg width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n' + "\n".join(shapes) + "\n</svg></div>"
    )


def _edge(one: tuple[int, int], other: tuple[int, int]) -> str:
    x, y = one[0] + _NODE, one[1] + _LINE // 2
    to_x, to_y = other[0], other[1] + _LINE // 2
    bend = _GAP // 2
    return f'<path class="edge" d="M{x} {y} C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"/>'


def _paths(
    entries: Sequence[Entry], rows: Mapping[bytes, str], packages: Sequence[Mapping[str, Any]]
) -> str:
    names = _packages(packages)
    total = sum(entry.size for entry in entries) or 1
    lines = []
    for entry in _by_size(entries):
        target = "" if entry.target is None else f" → {text(entry.target)}"
        lines.append(
            f'<tr id="{rows[entry.path]}"><td class="path">{escape(text(entry.path) + target)}</td>'
            f'<td class="number">{shown(entry.size) if entry.kind == "file" else entry.kind}</td>'
            f'<td class="number">{100 * entry.size / total:.1f} %</td>'
            f"<td>{escape(names.get(entry.path) or _origin(entry))}</td>"
            f"<td>{escape('; '.join(entry.reasons))}</td></tr>"
        )
    return (
        '<table class="paths"><tr><th>path</th><th class="number">size</th>'
        '<th class="number">share</th><th>of</th><th>why</th></tr>\n'
        + "\n".join(lines)
        + "\n</table>"
    )
