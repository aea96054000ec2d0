"""The commands `why` and `diff`."""

from __future__ import annotations

import argparse
import os
import tempfile

from pants_plugin_minimg.bundler import jsonfile


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    why = commands.add_parser("why", help="say why paths are in an image, and what they bring")
    why.add_argument("--plan", required=True, help="plan.json")
    why.add_argument("--json", action="store_true")
    why.add_argument("names", nargs="*", help="paths, file names or sonames; none: the whole tree")
    why.set_defaults(run=run_why)

    diff = commands.add_parser(
        "diff",
        help="say what two images differ in",
        description="Exit status: 0 the same, 1 different, 2 bad input.",
    )
    diff.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    diff.add_argument("old", help="a tar or OCI layout of ours")
    diff.add_argument("new", help="a tar or OCI layout of ours")
    diff.set_defaults(run=run_diff)


def run_why(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler import explain
    from pants_plugin_minimg.bundler.plan import Entry

    raw = jsonfile.load(options.plan)
    with jsonfile.reading(options.plan):
        entries = [Entry.from_json(entry) for entry in raw["entries"]]
        explanation = explain.Explanation(entries, raw["loaded"])
    if options.json:
        print(jsonfile.readable(explain.to_json(explanation, options.names)).decode(), end="")
        return
    lines = [line for name in options.names for line in explain.chain_lines(explanation, name)]
    for line in lines if options.names else explain.tree_lines(explanation):
        print(line)


def run_diff(options: argparse.Namespace) -> int:
    from pants_plugin_minimg.bundler import compare

    with tempfile.TemporaryDirectory() as scratch:
        images = []
        for name in ("old", "new"):
            folder = os.path.join(scratch, name)
            os.mkdir(folder)
            images.append(compare.load(getattr(options, name), folder))
        old, new = images
        if options.format == "json":
            print(jsonfile.readable(compare.to_json(old, new)).decode(), end="")
        else:
            render = compare.lines if options.format == "text" else compare.markdown
            for line in render(old, new):
                print(line)
    same = not compare.changes(old, new) and not compare.config_changes(old, new)
    return 0 if same else 1
