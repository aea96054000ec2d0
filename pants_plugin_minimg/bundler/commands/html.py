"""The command `html`."""

from __future__ import annotations

from pants_plugin_minimg.bundler import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    page = commands.add_parser("html", help="write a page that shows what is in an image, and why")
    page.add_argument(
        "--plan", required=True, nargs="+", help="plan.json, of each image of an index"
    )
    page.add_argument("--info", required=True, help="docker-info.json of the image or the index")
    page.add_argument("--out", required=True)
    page.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.html import page

    plans, info = [jsonfile.load(path) for path in options.plan], jsonfile.load(options.info)
    with jsonfile.reading(", ".join(options.plan)):
        content = page.render(plans, info)
    jsonfile.write(options.out, content.encode("utf-8", "backslashreplace"))
