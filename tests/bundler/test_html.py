"""The page about an image: its drawings, and that it is whole, safe and the same each time."""

from __future__ import annotations

import json
import random
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import __main__ as bundler
from pants_plugin_minimg.bundler.html import needs, page, treemap
from pants_plugin_minimg.bundler.html.treemap import Box
from pants_plugin_minimg.bundler.inspection.explain import Explanation
from pants_plugin_minimg.bundler.plan import Entry
from tests.requirements import working

GIT, LIB = b"/usr/bin/git", b"/usr/lib/libz.so.1.2"
ODD = b"/srv/<script>alert(1)</script>\"'&\xff"


def entry(path: bytes, size: int, *reasons: str, kind: str = "file", **more: Any) -> Entry:
    return Entry(path, kind, size=size, reasons=list(reasons), **more)


ENTRIES = [
    entry(b"/lib", 0, "link on the way to /usr/lib/libz.so.1.2", kind="link", target=b"usr/lib"),
    entry(ODD, 5, "built by //a:<b>", origin="//a:<b>"),
    entry(GIT, 300, "named in `executables`", origin="host:/usr/bin/git"),
    entry(b"/usr/lib", 0, "on the way", kind="dir"),
    entry(LIB, 100, "needed by /usr/bin/git as libz.so.1 via system", layer=2),
    entry(b"/usr/lib/libc.so.6", 0, "needed by /lib/libz.so.1.2 as libc.so.6 via cache", layer=1),
]  # fmt: skip
PACKAGES = [{"name": "zlib1g", "version": "1:1.2<", "files": ["/usr/lib/libz.so.1.2"]}]


def plan() -> dict[str, Any]:
    raw = [entry.to_json() for entry in ENTRIES]
    return {"version": 1, "entries": raw, "loaded": {}, "packages": PACKAGES}


def info() -> dict[str, Any]:
    program = {"path": "/usr/bin/git", "plain": 300, "packed": 200, "outcome": "packed"}
    layers = [{"digest": f"sha256:{number}", "size": 10 * number} for number in (1, 2, 3)]
    image = {
        "digest": "sha256:m",
        "size_on_disk": 405,
        "size_on_wire": 99,
        "files": 4,
        "platform": {"architecture": "amd64", "os": "linux"},
        "layers": layers,
        "upx": {"saved": 100, "programs": [{**program, "reason": ""}]},
    }
    registry = {"tags": [{"name": "reg/<b>:1"}]}
    artifact = "a/image.tar"
    return {"version": 1, "manifests": [image], "registries": [registry], "artifact": artifact}


PLATFORMS = (
    {"architecture": "amd64", "os": "linux"},
    {"architecture": "arm", "os": "linux", "variant": "v7"},
)


def index_plans() -> list[dict[str, Any]]:
    """Not in the order of the index."""
    return [{**plan(), "platform": platform} for platform in reversed(PLATFORMS)]


def index_info() -> dict[str, Any]:
    (image,) = info()["manifests"]
    images = [{**image, "platform": each, "digest": f"sha256:{each['architecture']}"}
              for each in PLATFORMS]  # fmt: skip
    return {**info(), "index": {"digest": "sha256:i"}, "manifests": images}


@pytest.mark.parametrize("seed", range(30))
def test_areas_are_in_proportion_and_do_not_overlap(seed: int) -> None:
    rng = random.Random(seed)
    sizes = sorted(rng.choice([1, 10, 1000, 10**6]) * rng.uniform(1, 9) for _ in range(seed + 1))
    sizes.reverse()
    within = Box(3, 5, rng.uniform(10, 900), rng.uniform(10, 900))
    boxes = treemap.layout(sizes, within)
    unit = within.width * within.height / sum(sizes)
    for size, box in zip(sizes, boxes):
        assert box.width * box.height == pytest.approx(size * unit, rel=1e-6)
        assert box.x >= within.x - 1e-6 and box.x + box.width <= within.x + within.width + 1e-6
        assert box.y >= within.y - 1e-6 and box.y + box.height <= within.y + within.height + 1e-6
    # Areas that sum to the whole, each inside, cannot overlap without a gap elsewhere: look there.
    for _ in range(200):
        x = within.x + rng.random() * within.width
        y = within.y + rng.random() * within.height
        over = [
            box for box in boxes if box.x < x < box.x + box.width and box.y < y < box.y + box.height
        ]
        assert len(over) == 1


def test_nothing_to_draw() -> None:
    assert treemap.layout([], Box(0, 0, 10, 10)) == []


def test_needs_go_through_links_and_to_the_right() -> None:
    found = needs.graph(ENTRIES, Explanation(ENTRIES, {}))
    assert found.edges == [(GIT, LIB), (LIB, b"/usr/lib/libc.so.6")]
    assert found.columns == [[GIT], [LIB], [b"/usr/lib/libc.so.6"]]


def test_libraries_that_need_each_other() -> None:
    entries = [
        entry(b"/p", 9, "named"),
        entry(b"/a", 1, "needed by /p as a via system", "needed by /b as a via system"),
        entry(b"/b", 2, "needed by /a as b via system"),
    ]
    found = needs.graph(entries, Explanation(entries, {}))
    assert len(found.edges) == 3 and found.columns[0] == [b"/p"]


def test_the_smallest_of_too_many_are_left_out() -> None:
    entries = [entry(b"/p", 1000, "named")]
    entries += [
        entry(b"/lib%d" % number, number, f"needed by /p as lib{number} via system")
        for number in range(300)
    ]
    found = needs.graph(entries, Explanation(entries, {}))
    assert found.left_out == 301 - needs._MOST
    assert b"/lib299" in found.columns[1] and b"/lib0" not in found.columns[1]


class Reader(HTMLParser):
    """Ids, links and open elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag not in ("meta", "rect", "path", "link"):
            self.open.append(tag)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def read(content: str) -> Reader:
    reader = Reader()
    reader.feed(content)
    assert reader.open == []
    return reader


def test_every_link_leads_to_a_row_of_the_page() -> None:
    reader = read(page.render([plan()], info()))
    assert len(reader.ids) == len(ENTRIES) == len(set(reader.ids))
    assert set(reader.links) <= {f"#{name}" for name in reader.ids}
    # each file with bytes in the map, each of three nodes in the graph
    assert len(reader.links) == 3 + 3


def test_nothing_is_run_or_fetched() -> None:
    content = page.render([plan()], info())
    reader = read(content)
    assert not {"script", "img", "link", "iframe"} & set(reader.tags)
    assert "default-src &#x27;none&#x27;" in content or "default-src 'none'" in content
    assert not re.search(r"https?://|url\(|@import", content)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content and "reg/&lt;b&gt;:1" in content


def test_it_says_what_the_documents_say() -> None:
    content = page.render([plan()], info())
    for said in ("405 B", "99 B", "linux/amd64", "zlib1g 1:1.2&lt;", "sha256:m", "74.1 %",
                 "named in `executables`", "packed", "\\xff"):  # fmt: skip
        assert said in content, said
    assert content == page.render([plan()], info())


def test_the_images_of_an_index() -> None:
    plans = index_plans()
    plans[0]["entries"] = plans[0]["entries"][:3]
    content = page.render(plans, index_info())
    reader = read(content)
    assert len(reader.ids) == len(set(reader.ids)) and reader.links[:2] == ["#amd64", "#arm-v7"]
    assert set(reader.links) <= {f"#{name}" for name in reader.ids}
    first, second = content.split('<section id="')[1:]
    assert first.startswith('amd64"') and second.startswith('arm-v7"')
    for own, other, digest, rows in (
        (first, "arm-v7-p", "sha256:amd64", len(ENTRIES)),
        (second, "amd64-p", "sha256:arm", 3),
    ):
        assert other not in own and digest in own
        assert own.count("<tr id=") == rows
    assert "<h1>reg/&lt;b&gt;:1</h1>\n<p><code>sha256:i</code></p>" in content
    # No level of headings is left out.
    assert re.findall("<(h[1-6])", content)[:3] == ["h1", "h2", "h3"]


def test_an_image_of_an_index_without_a_plan() -> None:
    with pytest.raises(LookupError):
        page.render(index_plans()[:1], index_info())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {}
    for name, document in (("plan", plan()), ("info", info())):
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(document))
    out = tmp_path / "page.html"
    command = ["html", f"--plan={paths['plan']}", f"--info={paths['info']}", f"--out={out}"]
    assert bundler.main(command) == 0
    assert out.read_text() == page.render([plan()], info())
    paths["info"].write_text('{"version": 1}')
    assert bundler.main(command) == 2
    assert capsys.readouterr().err.startswith("MINIMG-E001 ")


def test_a_browser_draws_it(tmp_path: Path) -> None:
    browser = working(["chromium", "--version"])
    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/data"]

    def drawn(content: str) -> bytes:
        file.write_text(content)
        done = subprocess.run(
            [browser, *options, "--enable-logging=stderr", f"--screenshot={picture}", str(file)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "CONSOLE" not in done.stderr, done.stderr
        return picture.read_bytes()

    blank = drawn("<!DOCTYPE html><html lang=en><title>x</title></html>")
    alone = drawn(page.render([plan()], info()))
    assert len(alone) > 2 * len(blank)
    of_index = drawn(page.render(index_plans(), index_info()))
    assert len(of_index) > 2 * len(blank) and of_index != alone
