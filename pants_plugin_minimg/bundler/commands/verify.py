"""`verify`: whether an image is whole, and what its plan and its info JSON say."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler.verification.documents import Documents, Found

_LIMIT = 16 << 30


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="check an image of ours: digests, layers, closure, plan",
        description="Exit status: 0 fine, 1 findings (one a line), 2 bad input.",
    )
    parser.add_argument("image", metavar="IMAGE", help="a tar or OCI layout of ours")
    parser.add_argument("--plan", metavar="PLAN.json", help="the image must be what it says")
    parser.add_argument(
        "--info", metavar="INFO.json", help="the image must be the one that it is about"
    )
    parser.add_argument(
        "--limit", type=int, default=_LIMIT, help="bytes that the layers may unpack to"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        return _verify(options, scratch)


def _verify(options: argparse.Namespace, scratch: str) -> int:
    from pants_plugin_minimg.bundler.verification import documents
    from pants_plugin_minimg.bundler.verification.tars import finding

    plan = jsonfile.load(options.plan) if options.plan else None
    info = jsonfile.load(options.info) if options.info else None
    archive = documents.opened(options.image, scratch)
    found, problems = documents.read(archive)
    problems = [*archive.problems, *problems]
    notes: list[str] = []
    summary = options.image
    if found is not None:
        summary += f": {found.digest}"
        if plan is not None and len(found.images) > 1:
            problems.append(finding("plan", "it is of one image, and this is an index of several"))
            plan = None
        for image in found.images:
            wrong, more, size = _image(image, plan, options)
            problems, notes = problems + wrong, notes + more
            summary += f", {'/'.join(image.platform.values())} with {size}"
        if info is not None:
            with jsonfile.reading(options.info):
                problems += _about(info, found)
    for problem in dict.fromkeys(problems):
        print(problem)
    for note in notes:
        print(f"not compared: {note}")
    if not problems:
        print(f"{summary}: fine")
    return 1 if problems else 0


def _image(
    image: Documents, plan: Any, options: argparse.Namespace
) -> tuple[list[MinimgError], list[str], str]:
    """What is wrong, what was not compared, and how large it is in words."""
    from pants_plugin_minimg.bundler.verification import tree, whole

    notes: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, jsonfile.reading(options.image):
        made, problems = tree.read(image.layers, image.created, options.limit, scratch)
        problems += whole.process(image.config, made, options.image)
        if plan is None:
            problems += whole.closures(image.config, made)
        else:
            with jsonfile.reading(options.plan):
                wrong, notes = whole.against_plan(plan, image.config, made)
            problems += wrong
    return problems, notes, f"{len(made.entries())} paths in {len(made.layers)} layers"


def _about(info: Mapping[str, Any], found: Found) -> list[MinimgError]:
    """The digests cover every byte, packed programs too."""
    from pants_plugin_minimg.bundler.verification.tars import finding

    told = [(image["digest"], image["image_id"]) for image in info["manifests"]]
    if told == [(image.manifest, image.image_id) for image in found.images]:
        return []
    return [finding(found.digest, f"the info JSON is about {told[0][0]}")]
