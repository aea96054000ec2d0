"""The commands `plan` and `list-index`."""

from __future__ import annotations

import json
import os

from pants_plugin_minimg.bundler import jsonfile, outputs
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots import fingerprint
from pants_plugin_minimg.bundler.text import path_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pants_plugin_minimg.bundler.plan import Plan
    from pants_plugin_minimg.bundler.sysroots.recorder import Recorder
    from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    whole = commands.add_parser("plan", help="decide every path of an image")
    whole.add_argument("--request", required=True)
    whole.add_argument("--sweep", help="sweep.json, whose folders need no record of their own")
    whole.add_argument("--out", required=True)
    # Read by nobody: it is an argument so that its content is in the key of the process.
    whole.add_argument("--outside", help="the state of what lies outside the sweep, if it changed")
    whole.set_defaults(run=run_plan)

    index = commands.add_parser("list-index", help="index what this machine's packages list")
    index.add_argument("--sweep", required=True, help="sweep.json, which covers all that is read")
    index.add_argument("--out", required=True)
    index.set_defaults(run=run_list_index)


def run_plan(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.planning import planner, request
    from pants_plugin_minimg.bundler.planning.opening import open_sysroot

    wanted = request.load(options.request)
    sysroot = open_sysroot(wanted.sysroot)
    recorder = None
    if wanted.sysroot.kind == "host":
        sysroot = recorder = _recorder(sysroot, options.sweep)
    os.makedirs(options.out, exist_ok=True)
    with outputs.scratch(options.out) as scratch:
        result = planner.build(wanted, sysroot, scratch, os.path.join(options.out, "blobs"))
    consulted = recorder.consulted() if recorder else {"version": 1, "paths": {}, "listed": {}}
    if fingerprint.again(consulted) != consulted:
        raise MinimgError(
            "MINIMG-E022",
            wanted.address,
            "files of this machine changed while the image's libraries were looked up",
            "Run the command again when they are at rest.",
        )
    _write_plan(options.out, result, consulted, recorder)


def run_list_index(options: argparse.Namespace) -> None:
    """Empty where more decides of it than the sweep says: a plan reads the lists itself then."""
    from pants_plugin_minimg.bundler.debian import dpkg
    from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

    recorder = _recorder(DirSysroot(b"/"), options.sweep)
    index = dpkg.list_index(recorder)
    jsonfile.write(options.out, b"" if fingerprint.has_paths(recorder.consulted()) else index)


def _recorder(host: Sysroot, sweep: str | None) -> Recorder:
    from pants_plugin_minimg.bundler.sysroots.recorder import Recorder

    if sweep is None:
        return Recorder(host, [], [])
    swept = _read(sweep)
    folders, files = (map(path_bytes, swept[key]) for key in ("folders", "files"))
    return Recorder(host, folders, files, path_bytes(swept["documents"]))


def _write_plan(
    folder: str, result: Plan, consulted: dict[str, Any], recorder: Recorder | None
) -> None:
    from pants_plugin_minimg.bundler import contents, plan
    from pants_plugin_minimg.bundler.inventory import stocktaking

    whole = result.to_json()
    blobs = os.path.join(folder, "blobs")
    parts = stocktaking.collect(whole, blobs)
    if recorder is not None:  # a layer that is in the cache would not see that a file changed
        contents.check_links(blobs, recorder.untouched)
    os.makedirs(os.path.join(folder, "layers"), exist_ok=True)
    _write(os.path.join(folder, "plan.json"), _json(whole))
    _write(os.path.join(folder, "inventory.json"), _json(parts.to_json()))
    for number, entries in result.layers().items():
        _write(os.path.join(folder, "layers", f"{number}.json"), _json(plan.projection(entries)))
    outside = fingerprint.has_paths(consulted)
    _write(os.path.join(folder, "steps.json"), _json({**plan.steps(result), "outside": outside}))
    _write(os.path.join(folder, "consulted.json"), fingerprint.render(consulted))


def _json(document: Any) -> str:
    return json.dumps(document, sort_keys=True, indent=1) + "\n"


def _read(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise MinimgError("MINIMG-E001", path, f"cannot be read: {error}") from None


def _write(path: str, content: str) -> None:
    jsonfile.write(path, content.encode("utf-8"))
