"""The commands `lock` and `sources`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler.debian.lockfile import Lock


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    lock = commands.add_parser("lock", help="lock Debian packages and all that they need")
    lock.add_argument("--request", required=True, help="what to lock: request.json")
    lock.add_argument("--timestamp", help="for mirrors with {timestamp}: 20251108T101500Z")
    lock.add_argument("--out", required=True)
    lock.set_defaults(run=run_lock)

    sources = commands.add_parser("sources", help="the apt sources of this machine, as JSON")
    sources.add_argument("--apt", default="/etc/apt", help="the folder with sources.list")
    sources.add_argument("--out", required=True)
    sources.set_defaults(run=run_sources)


def run_sources(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.debian import sources

    found = sources.load(options.apt)
    document = {
        "version": jsonfile.VERSION,
        "sources": [source.to_json() for source in found.sources],
        "skipped": found.skipped,
    }
    jsonfile.write(options.out, _json(document))


def run_lock(options: argparse.Namespace) -> None:
    import datetime

    from pants_plugin_minimg.bundler.debian import locking, mirrors, sources
    from pants_plugin_minimg.bundler.debian.index import Trust
    from pants_plugin_minimg.bundler.debian.lockchanges import changes
    from pants_plugin_minimg.bundler.debian.lockfile import render

    if options.timestamp is not None:
        mirrors.check_timestamp(options.timestamp)
    raw = jsonfile.load(options.request)
    with jsonfile.reading(options.request):
        resolve = str(raw["resolve"])
        apt, previous = raw["apt"], raw["previous"]
        trust = Trust(
            gpgv=None if raw["gpgv"] is None else str(raw["gpgv"]),
            keyrings=tuple(map(str, raw["keyrings"])) or None,
            # The one look at the clock: an archive may be past its Valid-Until.
            now=datetime.datetime.now(datetime.timezone.utc),
        )
        found = sources.load(str(apt)) if apt and not raw["mirrors"] else sources.Found()
        request = locking.request_from_json(raw, found.sources, trust, options.timestamp)
    new = locking.lock(request)
    old, lines = _previous(None if previous is None else str(previous))
    jsonfile.write(os.path.join(options.out, "lock.toml"), render(new, resolve).encode("utf-8"))
    lines += changes(old, new)
    jsonfile.write(os.path.join(options.out, "changes.json"), _json(lines))


def _previous(path: str | None) -> tuple[Lock | None, list[str]]:
    """A lock that cannot be read is no reason not to write a new one."""
    from pants_plugin_minimg.bundler.debian import lockfile

    if path is None:
        return None, []
    try:
        return lockfile.load(path), []
    except MinimgError as error:
        return None, [f"the old lock could not be read: {error.problem}"]


def _json(document: Any) -> bytes:
    import json

    return json.dumps(document, sort_keys=True, indent=1).encode("ascii") + b"\n"
