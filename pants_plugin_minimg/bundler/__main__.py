"""The bundler's command line: `python -m pants_plugin_minimg.bundler COMMAND …`.

Exit status 0: done. 1: `closure` found something missing. 2: bad input; standard error holds one
line for each problem and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys

from pants_plugin_minimg.bundler import cli_closure
from pants_plugin_minimg.bundler.errors import MinimgError, Problems


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(prog="bundler", description=__doc__)
    commands = out.add_subparsers(dest="command", required=True)
    cli_closure.add_parser(commands)
    from pants_plugin_minimg.bundler import cli_image, cli_plan

    cli_plan.add_parser(commands)
    cli_image.add_parser(commands)
    return out


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
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
