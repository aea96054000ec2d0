"""The command `sbom`."""

from __future__ import annotations

import argparse
import os

from pants_plugin_minimg.bundler import jsonfile


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sbom = commands.add_parser("sbom", help="write an image's bill of materials, CycloneDX 1.6")
    sbom.add_argument("--plan", required=True, help="plan.json")
    sbom.add_argument("--blobs", required=True, help="folder of contents by SHA-256")
    sbom.add_argument("--packed", default="", help="folder of the reports SHA.json of packing")
    sbom.add_argument("--name", default="image", help="what the image is called")
    sbom.add_argument("--out", required=True)
    sbom.set_defaults(run=run_sbom)


def run_sbom(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler import contents
    from pants_plugin_minimg.bundler.inventory import components, sbom

    contents.check_links(options.blobs)
    packed = _packed(options.packed) if options.packed else {}
    plan = jsonfile.load(options.plan)
    with jsonfile.reading(options.plan):
        document = sbom.render(components.collect(plan, options.blobs, packed), options.name)
    jsonfile.write(options.out, document)


def _packed(folder: str) -> dict[str, str]:
    """SHA-256 of the plain bytes -> of the packed ones, for what UPX packed."""
    out = {}
    with jsonfile.reading(folder):
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    for name in names:
        path = os.path.join(folder, name)
        report = jsonfile.load(path)
        with jsonfile.reading(path):
            if report["outcome"] == "packed":
                out[str(report["content"])] = str(report["packed_content"])
    return out
