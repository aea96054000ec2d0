"""`verify`: whether an image is whole, and what its plan and its info JSON say."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError

_LIMIT = 16 << 30


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="check an image of ours: digests, layers, closure, plan",
        description="Exit status: 0 fine, 1 findings (one a line), 2 bad input.",
    )
    parser.add_argument("image", metavar="IMAGE.tar")
    parser.add_argument("--plan", metavar="PLAN.json", help="the image must be what it says")
    parser.add_argument(
        "--info", metavar="INFO.json", help="the image must be the one that it is about"
    )
    parser.add_argument(
        "--limit", type=int, default=_LIMIT, help="bytes that the layers may unpack to"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pants_plugin_minimg.bundler.verification import documents, tree, whole

    plan = jsonfile.load(options.plan) if options.plan else None
    info = jsonfile.load(options.info) if options.info else None
    archive = documents.Archive(options.image)
    found, problems = documents.read(archive)
    problems = [*archive.problems, *problems]
    notes: list[str] = []
    summary = options.image
    if found is not None:
        summary += f": manifest {found.manifest}"
        with tempfile.TemporaryDirectory() as scratch, jsonfile.reading(options.image):
            image, wrong = tree.read(found.layers, found.created, options.limit, scratch)
            problems += wrong
            problems += whole.process(found.config, image, options.image)
            if plan is None:
                problems += whole.closures(found.config, image)
            else:
                with jsonfile.reading(options.plan):
                    wrong, notes = whole.against_plan(plan, found.config, image)
                problems += wrong
            summary += f", {len(image.entries())} paths in {len(image.layers)} layers"
        if info is not None:
            with jsonfile.reading(options.info):
                problems += _about(info, found.manifest, found.image_id)
    for problem in dict.fromkeys(problems):
        print(problem)
    for note in notes:
        print(f"not compared: {note}")
    if not problems:
        print(f"{summary}: fine")
    return 1 if problems else 0


def _about(info: Mapping[str, Any], manifest: str, image_id: str) -> list[MinimgError]:
    """The digest covers every byte, packed programs too."""
    from pants_plugin_minimg.bundler.verification.tars import finding

    images = [(image["digest"], image["image_id"]) for image in info["manifests"]]
    if (manifest, image_id) in images:
        return []
    return [finding(manifest, f"the info JSON is about {images[0][0]}")]
