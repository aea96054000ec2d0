"""The command `at-revision`."""

from __future__ import annotations

import argparse
import os
import shutil

from pants_plugin_minimg.bundler import jsonfile


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    at = commands.add_parser(
        "at-revision",
        help="run a command in a checkout of another revision, which goes with it",
        description="Exit status: 0, or 2 with an error. The command's output is in OUT.",
    )
    at.add_argument("--repository", required=True, help="a folder in a work tree of git")
    at.add_argument("--revision", required=True, help="as git takes it, such as main")
    at.add_argument("--checkout", required=True, help="made, and removed")
    at.add_argument("--variables", help="JSON: the names of the variables that the command has")
    at.add_argument("--take", help="a folder that the command makes where it runs, to keep")
    at.add_argument("--taken", help="becomes that folder, if the command made it")
    at.add_argument("--out", required=True, help="what the command writes to standard output")
    at.add_argument("words", nargs="+", help="the command, after `--`")
    at.set_defaults(run=run)


def _status(options: argparse.Namespace, variables: dict[str, str]) -> int:
    """Of the command. Raises KeyboardInterrupt."""
    from pants_plugin_minimg.bundler import revision

    stop = revision.Stop()
    with stop.listened_to():
        repository = revision.Repository(options.repository, variables)
        commit = repository.commit(options.revision)
        with repository.checked_out(commit, options.checkout) as checkout:
            with open(options.out, "wb") as out:
                status = revision.run(options.words, checkout, repository.variables, out, stop)
            made = os.path.join(checkout.place, options.take or "")
            if options.take and os.path.isdir(made):
                shutil.move(made, options.taken)
    return status


def run(options: argparse.Namespace) -> int:
    from pants_plugin_minimg.bundler.errors import MinimgError

    variables = dict(os.environ)
    if options.variables:
        with jsonfile.reading(options.variables), open(options.variables, "rb") as file:
            wanted = set(jsonfile.parse(file.read()))
        variables = {name: value for name, value in variables.items() if name in wanted}
    try:
        status = _status(options, variables)
    except KeyboardInterrupt:
        return 130
    if status:
        raise MinimgError(
            "MINIMG-E047",
            options.revision,
            f"what builds it there ended with exit code {status}",
            "It said why above.",
        )
    return 0
