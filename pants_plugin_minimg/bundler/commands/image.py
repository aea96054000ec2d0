"""The commands `layer`, `pack`, `image`, `index` and `tar`.

Each imports what it needs when it runs: every process of a build pays for its start.
"""

from __future__ import annotations

import os

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError, Problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_MAX_TIME = 253402300799  # the last second that RFC 3339 can write


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    layer = commands.add_parser("layer", help="write one layer of a plan")
    layer.add_argument("--projection", required=True, help="layers/N.json of a plan")
    layer.add_argument("--blobs", required=True, help="folder of contents by SHA-256")
    layer.add_argument("--packed", default="", help="folder of packed contents by plain SHA-256")
    layer.add_argument("--mtime", type=int, default=0, help="seconds since 1970")
    layer.add_argument("--out", required=True)
    layer.set_defaults(run=run_layer)

    pack = commands.add_parser("pack", help="pack one program with UPX")
    pack.add_argument("--tool", required=True, help="the output of `plan` for UPX itself")
    pack.add_argument("--content", required=True, help="the program's file")
    pack.add_argument("--sha", required=True, help="its SHA-256")
    pack.add_argument("--arg", action="append", default=[], help="of UPX")
    pack.add_argument("--out", required=True)
    pack.set_defaults(run=run_pack)

    whole = commands.add_parser("image", help="write an image over its layers")
    whole.add_argument("--request", required=True, help="names and config: image.json")
    whole.add_argument("--layer", nargs="+", required=True, help="layer.json, the lowest first")
    whole.add_argument("--plan", required=True, help="plan.json")
    whole.add_argument("--report", nargs="*", default=[], help="packed/SHA.json of each program")
    whole.add_argument("--inventory", help="inventory.json of the plan: write the SBOM, too")
    whole.add_argument("--created", type=int, default=0, help="seconds since 1970")
    whole.add_argument("--out", required=True)
    whole.add_argument("--layers", help="folder of the layers' blobs, for --tar")
    whole.add_argument("--tar", help="write the tar that engines load, too")
    whole.set_defaults(run=run_image)

    index = commands.add_parser("index", help="write an index over images of several platforms")
    index.add_argument("--request", required=True, help="names and annotations: index.json")
    index.add_argument("--origin", nargs="+", required=True, help="what each image is made of")
    index.add_argument("--image", nargs="+", required=True, help="layouts, of which the documents")
    index.add_argument("--info", nargs="+", required=True, help="info.json of each image")
    index.add_argument("--out", required=True)
    index.add_argument("--layers", help="folder of all blobs of the images, for --tar")
    index.add_argument("--tar", help="write the tar that engines load, too")
    index.set_defaults(run=run_index)

    tar = commands.add_parser("tar", help="write a layout as the tar that engines load")
    tar.add_argument("--layout", required=True)
    tar.add_argument("--out", required=True)
    tar.set_defaults(run=run_tar)


def run_layer(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.rendering import layers

    _check_time(options.mtime)
    entries = layers.load(options.projection)
    contents = layers.Contents(options.blobs, options.packed)
    layer = layers.write(entries, contents, options.out, options.mtime)
    jsonfile.write(os.path.join(options.out, "layer.json"), jsonfile.readable(layer.to_json()))


def run_pack(options: argparse.Namespace) -> None:
    import tempfile

    from pants_plugin_minimg.bundler.packing import upx
    from pants_plugin_minimg.bundler.toolrun import lay_out

    os.makedirs(options.out, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        run = lay_out(options.tool, os.path.join(folder, "tool"))
        scratch = os.path.join(folder, "scratch")
        os.mkdir(scratch)
        args = tuple(options.arg)
        upx.pack(options.content, options.sha, options.out, run, scratch, args)


def run_image(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.plan import Entry
    from pants_plugin_minimg.bundler.planning import policy
    from pants_plugin_minimg.bundler.rendering import image, imagespec, report
    from pants_plugin_minimg.bundler.rendering.oci import Layer

    _check_time(options.created)
    spec = imagespec.load(options.request)
    stack = tuple(map(Layer.load, options.layer))
    plan = jsonfile.load(options.plan)
    with jsonfile.reading(options.plan):
        entries = [Entry.from_json(entry) for entry in plan["entries"]]
        platform = {str(key): str(value) for key, value in plan["platform"].items()}
        entrypoint = tuple(map(str, plan["entrypoint"]))
    built = image.build(spec, stack, platform, entrypoint, options.created)
    reports = report.load_packed(options.report)
    packed = report.programs(entries, reports)
    info = report.info(spec, built.config, built.manifest, platform, stack, packed)
    over = list(policy.sizes(spec.budget, spec.address, info["manifests"][0], entries, packed))
    if over:
        raise Problems(over)
    bill = None
    if options.inventory:
        from pants_plugin_minimg.bundler.inventory import sbom

        called = spec.names[0].name if spec.names else spec.artifact
        bill = sbom.of_file(options.inventory, called, report.packed_contents(reports))
    for name, content in built.files().items():
        jsonfile.write(os.path.join(options.out, "layout", name), content)
    jsonfile.write(os.path.join(options.out, "info.json"), jsonfile.readable(info))
    if bill is not None:
        jsonfile.write(os.path.join(options.out, "sbom.cdx.json"), bill)
    if options.tar:
        from pants_plugin_minimg.bundler.rendering import archive

        archive.write(os.path.join(options.out, "layout"), options.tar, options.layers)


def run_index(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.rendering import imageindex, imagespec, report

    spec = imagespec.load_index(options.request)
    parts = map(imageindex.load, options.origin, options.image, options.info)
    built = imageindex.build(spec, list(parts))
    for name, content in built.files().items():
        jsonfile.write(os.path.join(options.out, "layout", name), content)
    info = report.index_info(spec, built.index, [part.about for part in built.parts])
    jsonfile.write(os.path.join(options.out, "info.json"), jsonfile.readable(info))
    if options.tar:
        from pants_plugin_minimg.bundler.rendering import archive

        archive.write(os.path.join(options.out, "layout"), options.tar, options.layers)


def run_tar(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.rendering import archive

    archive.write(options.layout, options.out)


def _check_time(seconds: int) -> None:
    if not 0 <= seconds <= _MAX_TIME:
        raise MinimgError("MINIMG-E018", str(seconds), "this is no time after 1970 in seconds")
