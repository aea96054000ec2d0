"""How are the words of a command line read?"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable
from typing import Any


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal imports six modules, on each start."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Parser(argparse.ArgumentParser):
    """Of the commands too, as argparse makes their parsers of the same class."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, **options)


def parser(description: str | None, modules: Iterable[str]) -> argparse.ArgumentParser:
    """Knows the commands of these modules beside this one."""
    out = _Parser(prog="bundler", description=description)
    commands = out.add_subparsers(dest="command", required=True)
    for name in modules:
        importlib.import_module(f"pants_plugin_minimg.bundler.commands.{name}").add_parser(commands)
    return out
