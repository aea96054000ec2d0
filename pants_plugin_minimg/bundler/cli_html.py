"""The command `html`."""

from __future__ import annotations

import argparse

from pants_plugin_minimg.bundler import jsonfile


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    page = commands.add_parser("html", help="write a page that shows what is in an image, and why")
    page.add_argument("--plan", required=True, help="plan.json")
    page.add_argument("--info", required=True, help="the image's docker-info.json")
    page.add_argument("--out", required=True)
    page.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.html import page

    plan, info = jsonfile.load(options.plan), jsonfile.load(options.info)
    with jsonfile.reading(options.plan):
        content = page.render(plan, info)
    jsonfile.write(options.out, content.encode("utf-8", "backslashreplace"))
