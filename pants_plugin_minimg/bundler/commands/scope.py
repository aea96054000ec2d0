"""The command `scope`: which packages of a lock an image may use, and where they are fetched."""

from __future__ import annotations

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

#: What a package may take unpacked, for what it says to take: Installed-Size is an estimate that
#: counts whole blocks of files (deb-control(5)), the limit one of tar bytes.
_LEAST_LIMIT, _SLACK = 64 << 20, 16 << 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scope = commands.add_parser("scope", help="the packages of a lock that an image may use")
    scope.add_argument("--lock", required=True)
    scope.add_argument("--request", required=True, help="the sysroot's fields and the image's")
    scope.add_argument("--out", required=True)
    scope.set_defaults(run=run_scope)


def run_scope(options: argparse.Namespace) -> None:
    raw = jsonfile.load(options.request)
    with jsonfile.reading(options.request):
        document = scope(options.lock, raw)
    jsonfile.write(options.out, jsonfile.readable(document))


def scope(path: str, raw: dict[str, Any]) -> dict[str, Any]:
    """`urls` of a package are in the order in which they are to be tried.

    Raises MinimgError MINIMG-E023 for a lock that does not fit the sysroot, MINIMG-E024 when no
    mirror is known for a suite.
    """
    from pants_plugin_minimg.bundler.debian import lockfile, mirrors, sources

    with open(path, "rb") as file:
        lock = lockfile.parse(file.read(), raw["lockfile"])
    differs = lock.mismatch(raw["suites"], raw["components"], raw["architectures"], raw["packages"])
    if differs is not None:
        raise MinimgError(
            "MINIMG-E023",
            raw["sysroot"],
            f"{raw['lockfile']} was written for other fields: {differs}",
            f"Run `{raw['command']}`.",
        )
    found = sources.load(raw["apt"]) if raw["apt"] and not raw["mirrors"] else sources.Found()
    packages = []
    try:
        wanted = lock.scope(raw["roots"], raw["architecture"])
    except MinimgError as error:
        problem = f"{error.subject}: {error.problem}"
        raise MinimgError(error.code, raw["sysroot"], problem, error.remedy) from None
    for package in wanted:
        places = mirrors.candidates(
            raw["mirrors"],
            found.sources,
            package.suite,
            lock.components,
            lock.timestamp,
            raw["sysroot"],
        )
        packages.append(
            {
                "name": package.name,
                "version": package.version,
                "path": package.path,
                "urls": [mirrors.url(place.url, package.path) for place in places],
                "sha256": package.sha256,
                "size": package.size,
                "limit": max(_LEAST_LIMIT, _SLACK + 2 * 1024 * package.installed),
            }
        )
    return {"version": jsonfile.VERSION, "packages": packages}
