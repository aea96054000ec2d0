"""Data of the sysroot that presets and the environment ask for: time zones, names of services.

Files go into the image as they are, at their own places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.preset_names import SERVICES, TZDATA
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: glibc's and musl's TZDIR.
ZONES = b"/usr/share/zoneinfo"
#: Every zone once more, with leap seconds and without: nobody's TZ names them so.
_TWINS = (b"posix", b"right")
#: What getaddrinfo, getservbyname and getprotobyname read (services(5), protocols(5)).
_NAMES = (b"/etc/services", b"/etc/protocols")
#: A name of the tz database; what else TZ may be (tzset(3)) names no file, or one of the user's.
_ZONE = re.compile(r":?([A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*)")


class Found:
    """`paths` are files and folders to add, with the reason."""

    def __init__(self) -> None:
        self.paths: list[tuple[bytes, str]] = []
        self.problems: list[MinimgError] = []
        self.log: list[str] = []


def find(presets: Iterable[str], env: Mapping[str, str], sysroot: Sysroot) -> Found:
    found = Found()
    presets = tuple(presets)
    if TZDATA in presets:
        _zones(sysroot, found)
    elif env.get("TZ"):
        _zone(env["TZ"], sysroot, found)
    if SERVICES in presets:
        _services(sysroot, found)
    return found


def _zones(sysroot: Sysroot, found: Found) -> None:
    walk = sysroot.walk(ZONES)
    if walk.stat is None or walk.stat.kind != "dir":
        found.problems.append(_lacking(TZDATA, ZONES, "tzdata"))
        return
    for name in sysroot.scandir(walk.real):
        if name not in _TWINS:
            found.paths.append((ZONES + b"/" + name, f"preset {TZDATA}"))


def _zone(value: str, sysroot: Sysroot, found: Found) -> None:
    match = _ZONE.fullmatch(value)
    if match is None:
        return
    path = ZONES + b"/" + match.group(1).encode("ascii")
    walk = sysroot.walk(path)
    if walk.stat is not None and walk.stat.kind == "file":
        found.paths.append((path, f"`env` says TZ={value}"))
    elif "/" in match.group(1):  # else it may be a POSIX rule, such as UTC0 or EST5EDT
        found.log.append(
            f"`env` says TZ={value}, and the sysroot has no {text(path)}: programs will take UTC. "
            "The package tzdata has it."
        )


def _services(sysroot: Sysroot, found: Found) -> None:
    for path in _NAMES:
        walk = sysroot.walk(path)
        if walk.stat is not None and walk.stat.kind == "file":
            found.paths.append((path, f"preset {SERVICES}"))
    if not any(reason == f"preset {SERVICES}" for _, reason in found.paths):
        found.problems.append(_lacking(SERVICES, _NAMES[0], "netbase"))


def _lacking(preset: str, path: bytes, package: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E030",
        preset,
        f"the sysroot has no {text(path)}",
        f'Add the package that has it, as in `packages=[..., "{package}"]` of the '
        "`debian_sysroot`.",
    )
