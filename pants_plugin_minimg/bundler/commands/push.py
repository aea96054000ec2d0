"""The commands `referrer` and `push`."""

from __future__ import annotations

import argparse
import os
from typing import Any

from pants_plugin_minimg.bundler import jsonfile

_SBOM_TITLE = "sbom.cdx.json"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    referrer = commands.add_parser("referrer", help="write what attaches an SBOM to an image")
    referrer.add_argument("--index", required=True, help="index.json of the image's layout")
    referrer.add_argument("--sbom", required=True, help="CycloneDX, as JSON")
    referrer.add_argument("--out", required=True, help="becomes an OCI layout")
    referrer.set_defaults(run=run_referrer)

    push = commands.add_parser("push", help="push an image to a registry, with skopeo")
    push.add_argument("--skopeo", required=True, help="path of the program")
    push.add_argument("--retries", type=int, default=3, help="of skopeo, for each step")
    push.add_argument("--address", default="image", help="what errors are about")
    push.add_argument("--layout", required=True)
    push.add_argument("--location", required=True, help="REGISTRY/REPOSITORY")
    push.add_argument("--tag", required=True, help="of the image in the registry")
    push.add_argument(
        "--referrer", action="append", default=[], help="an output of `referrer`, to attach"
    )
    push.set_defaults(run=run_push)


def run_referrer(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.registry import referrers

    with jsonfile.reading(options.sbom), open(options.sbom, "rb") as file:
        document = file.read()
    with jsonfile.reading(options.index):
        found = referrers.build(_image(options.index), document, referrers.CYCLONEDX, _SBOM_TITLE)
    for name, content in found.files().items():
        jsonfile.write(os.path.join(options.out, name), content)


def run_push(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.registry import pushing

    skopeo = pushing.Skopeo(options.skopeo, options.retries)
    pushing.surroundings(os.environ, ("XDG_RUNTIME_DIR", "TMPDIR"))
    skopeo.check()
    index = os.path.join(options.layout, "index.json")
    with jsonfile.reading(index):
        found = _image(index)
        tag = found["annotations"]["org.opencontainers.image.ref.name"]
        image = pushing.Pushed(options.address, options.layout, tag, found["digest"])
    pushing.push(skopeo, image, options.location, options.tag)
    for referrer in options.referrer:
        pushing.attach(skopeo, options.address, options.location, referrer)


def _image(index: str) -> dict[str, Any]:
    """The first descriptor of a layout. All of an image's names have the same manifest."""
    with open(index, "rb") as file:
        descriptor: dict[str, Any] = jsonfile.parse(file.read())["manifests"][0]
    return descriptor
