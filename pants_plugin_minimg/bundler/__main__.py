"""The bundler's command line: `python -m pants_plugin_minimg.bundler COMMAND …`.

Exit status 0: done. 1: `closure`, `verify` or `diff` found something. 2: bad input; standard error
holds one line for each problem and nothing else (of `push`: after what skopeo said). 3: `trial` has
nothing to run an image with.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

from pants_plugin_minimg.bundler.errors import MinimgError, Problems

#: Which module has a command: only that one is imported, since the start is paid by every process.
_COMMANDS = {
    "closure": "cli_closure",
    "plan": "cli_plan",
    **dict.fromkeys(("layer", "pack", "image", "index", "tar"), "cli_image"),
    **dict.fromkeys(("lock", "sources"), "cli_lock"),
    "scope": "cli_scope",
    **dict.fromkeys(("unpack", "rootfs"), "cli_unpack"),
    "sbom": "cli_sbom",
    **dict.fromkeys(("referrer", "push"), "cli_push"),
    "verify": "cli_verify",
    "trial": "cli_trial",
    "packtrial": "cli_packtrial",
    "html": "cli_html",
    **dict.fromkeys(("why", "diff", "blobs"), "cli_why"),
    "at-revision": "cli_revision",
}


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal imports six modules, on each start."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Parser(argparse.ArgumentParser):
    """Of the commands too, as argparse makes their parsers of the same class."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, **options)


def parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Knows the command that `arguments` name, or all of them when they name none."""
    out = _Parser(prog="bundler", description=__doc__)
    commands = out.add_subparsers(dest="command", required=True)
    wanted = next((_COMMANDS[word] for word in arguments[:1] if word in _COMMANDS), None)
    for name in [wanted] if wanted else dict.fromkeys(_COMMANDS.values()):
        importlib.import_module(f"pants_plugin_minimg.bundler.{name}").add_parser(commands)
    return out


def main(arguments: list[str]) -> int:
    options = parser(arguments).parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except Problems as problems:
        print(problems, file=sys.stderr)
    except MinimgError as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
