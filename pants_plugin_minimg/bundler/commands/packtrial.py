"""`packtrial`: runs programs that UPX packed beside the plain ones, and compares."""

from __future__ import annotations

import os

from pants_plugin_minimg.bundler import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_UNUSABLE = 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "packtrial",
        help="run packed programs beside the plain ones",
        description="Exit status: 0 alike, 2 bad input or not alike, 3 nothing to run them with.",
    )
    parser.add_argument("--plan", required=True, help="plan.json")
    parser.add_argument("--blobs", required=True, help="folder of contents by SHA-256")
    parser.add_argument("--packed", required=True, help="folder of SHA and SHA.json of packing")
    parser.add_argument("--argument", action="append", default=[], help="of each program")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--user", default="65532:65532", help="numbers")
    parser.add_argument("--bubblewrap", action="append", default=[], help="a path of `bwrap`")
    parser.add_argument("--engine", action="append", default=[], help="a path of docker or podman")
    parser.add_argument("--out", required=True, help="becomes the report")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pants_plugin_minimg.bundler.errors import MinimgError, Problems
    from pants_plugin_minimg.bundler.isolation.choice import isolated
    from pants_plugin_minimg.bundler.isolation.command import Unusable
    from pants_plugin_minimg.bundler.planning.request import owner
    from pants_plugin_minimg.bundler.trials import packtrial, trial

    plan = packtrial.Plan.load(options.plan)
    uid, gid = owner(options.user)
    env = dict(pair.partition("=")[::2] for pair in options.env)
    how = packtrial.How(tuple(options.argument), uid, gid, env)
    tried: list[packtrial.Tried] = []
    problems: list[MinimgError] = []
    try:
        if not plan.runs_here():
            raise Unusable(f"the image is for {plan.architecture}, and this machine is not")
        with trial.scratch() as scratch:
            root = os.path.join(scratch, "root")
            plan.write(options.blobs, root)
            with isolated(root, options.bubblewrap, options.engine, uid, gid) as means:
                for program in plan.programs(options.packed, scratch):
                    try:
                        tried.append(packtrial.run(program, how, means))
                    except MinimgError as error:
                        problems.append(error)
    except Unusable as reason:
        print(reason)
        return _UNUSABLE
    if problems:
        raise Problems(problems)
    document = {"version": 1, "arguments": options.argument, "run_by": means.name}
    document["programs"] = [one.to_json() for one in tried]
    jsonfile.write(options.out, jsonfile.readable(document))
    return 0
