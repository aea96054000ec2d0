"""The page: what is in an image, how large it is, and why, for a reader with a browser.

No script and nothing fetched, so it can be mailed, and opened anywhere; every part of a drawing is
a link to its row in the list of paths, so a keyboard reaches all. The images of an index follow
each other, below a table that leads to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pants_plugin_minimg.bundler.html.sections import platform_of, sections
from pants_plugin_minimg.bundler.rendering.imageindex import label
from pants_plugin_minimg.bundler.sizes import shown

_STYLE = """
:root { color-scheme: light dark; --edge: #8a8a8a; --back: #fff; --text: #1c1c1c; }
@media (prefers-color-scheme: dark) { :root { --back: #16181c; --text: #e6e6e6; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 0 auto; padding: 1rem;
  background: var(--back); color: var(--text); }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2, h3 { font-size: 1.15rem; margin-top: 2rem; }
h2.platform { font-size: 1.35rem; margin-top: 4rem; border-top: 3px solid var(--edge); }
code, td.path, svg text { font-family: ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem 2rem; padding: 0; list-style: none; }
.figures b { display: block; font-size: 1.35rem; }
svg { width: 100%; height: auto; display: block; }
svg a:focus-visible rect, a:focus-visible { outline: 3px solid #d97706; outline-offset: -1px; }
rect.group { fill: none; stroke: var(--edge); } rect.file { stroke: var(--back); }
svg text { font-size: 11px; fill: #111; pointer-events: none; } svg text.on { fill: var(--text); }
path.edge { fill: none; stroke: var(--edge); stroke-width: 1; opacity: .55; }
.scroll { overflow-x: auto; } .scroll svg { width: auto; max-width: none; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .15rem .6rem .15rem 0; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, var(--edge) 35%, transparent); }
td.number, th.number { text-align: right; white-space: nowrap; }
td.path { overflow-wrap: anywhere; } table.paths { table-layout: fixed; }
table.paths th:nth-child(1) { width: 34%; } table.paths th:nth-child(2) { width: 5.5rem; }
table.paths th:nth-child(3) { width: 4.5rem; } table.paths th:nth-child(4) { width: 16%; }
tr:target { background: #d9770633; }
"""


def render(plans: Sequence[Mapping[str, Any]], info: Mapping[str, Any]) -> str:
    """`info` is the info JSON of an image or an index, `plans` the plan.json of each image.

    Raises what `jsonfile.reading` turns into MINIMG-E001 for documents of another form, or where an
    image has no plan.
    """
    title = ", ".join(_names(info)) or str(info["artifact"])
    images = info["manifests"]
    if "index" in info:
        by_platform = {platform_of(plan): plan for plan in plans}
        of_images = [by_platform[platform_of(image)] for image in images]
        parts = list(_index(info["index"], images, of_images))
    else:
        (plan,), (image,) = plans, images
        parts = list(sections(plan, image))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(filter(None, parts)) + "\n</body>\n</html>\n"
    )


def _names(info: Mapping[str, Any]) -> Iterator[str]:
    for registry in info["registries"]:
        yield from (str(tag["name"]) for tag in registry["tags"])


def _index(
    index: Mapping[str, Any],
    images: Sequence[Mapping[str, Any]],
    plans: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """What the images have side by side, then each as a part of the page."""
    yield f"<p><code>{escape(index['digest'])}</code></p>"
    rows = [
        f'<tr><td><a href="#{_id(image)}">{escape(platform_of(image))}</a></td>'
        f'<td class="number">{shown(image["size_on_disk"])}</td>'
        f'<td class="number">{shown(image["size_on_wire"])}</td>'
        f'<td class="number">{image["files"]}</td>'
        f'<td class="number">{len(image["layers"])}</td></tr>'
        for image in images
    ]
    yield (
        '<nav aria-label="Platforms"><table><tr><th>platform</th><th class="number">on disk</th>'
        '<th class="number">on the wire</th><th class="number">files</th>'
        '<th class="number">layers</th></tr>\n' + "\n".join(rows) + "\n</table></nav>"
    )
    for image, plan in zip(images, plans):
        own = _id(image)
        yield f'<section id="{own}" aria-labelledby="{own}-name">'
        yield f'<h2 class="platform" id="{own}-name">{escape(platform_of(image))}</h2>'
        yield from sections(plan, image, f"{own}-", "h3")
        yield "</section>"


def _id(image: Mapping[str, Any]) -> str:
    return escape(label(image["platform"]))
