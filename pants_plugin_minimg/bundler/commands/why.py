"""The commands `why`, `diff` and `blobs`."""

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
    diff.add_argument("--title", default="", help="what is compared, for the head")
    for side in ("old", "new"):
        diff.add_argument(
            f"--{side}-plan",
            action="append",
            default=[],
            help=f"plan.json of the {side} image, or of one of its index, for the reasons",
        )
    diff.add_argument("old", nargs="?", help="tar, layout or blobs@sha256:…; none: all is new")
    diff.add_argument("new", help="a tar or OCI layout of ours, or blobs@sha256:…")
    diff.set_defaults(run=run_diff)

    blobs = commands.add_parser("blobs", help="print which blobs a manifest or an index names")
    blobs.add_argument("document", help="the manifest or index")
    blobs.set_defaults(run=run_blobs)


def run_blobs(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.inspection import bareimage

    print(jsonfile.canonical(bareimage.named(options.document)).decode(), end="")


def run_why(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.inspection import explain
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
    from pants_plugin_minimg.bundler.inspection import compare, compare_report

    with tempfile.TemporaryDirectory() as scratch:
        sides: list[list[compare.Image]] = []
        for path, plans in ((options.old, options.old_plan), (options.new, options.new_plan)):
            folder = os.path.join(scratch, str(len(sides)))
            os.mkdir(folder)
            images = [] if path is None else compare.load(path, folder)
            sides.append(compare.explained(images, plans))
        found = compare.pairs(options.title, *sides)
    for number, compared in enumerate(found):
        if options.format == "json":
            print(jsonfile.readable(compare_report.to_json(compared)).decode(), end="")
            continue
        render = compare_report.lines if options.format == "text" else compare_report.markdown
        print(*([""] if number else []), *render(compared), sep="\n")
    return 0 if all(compared.same for compared in found) else 1
