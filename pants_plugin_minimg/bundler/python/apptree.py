"""The tree that a PEX becomes: where each file goes, and what starts it.

`src/` has the user's code and `lib/` all distributions, merged as an installer would do it (binary
distribution format, PyPA specifications, "Installing a wheel"); `__main__.py` sets the path and
calls the entry point. What a PEX does at its start (unpacking, re-executing) is not needed.
"""

from __future__ import annotations

import configparser
import filecmp
import os
import re
import shutil
from collections.abc import Mapping

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.python.pexfile import Pex
from pants_plugin_minimg.bundler.records import NamedTuple

CODE, LIBRARIES, MAIN = "src", "lib", "__main__.py"
#: Records of pip and PEX that say nothing at run time, and byte code that is made anew.
_DROPPED = re.compile(
    r"\.layout\.json\Z|(?:.*/)?__pycache__/"
    r"|.*\.dist-info/(?:INSTALLER|REQUESTED|RECORD|direct_url\.json)\Z",
    re.DOTALL,
)
_ENTRY = re.compile(r"([A-Za-z_][\w.]*)(?::([A-Za-z_][\w.]*))?\Z")
_TEMPLATE = """\
import os
import sys

root = os.path.dirname(os.path.abspath(__file__))
sys.path[0:1] = [os.path.join(root, {code!r}), os.path.join(root, {libraries!r})]
{environment}{arguments}{start}"""


class AppTree(NamedTuple):
    """`folder` holds all files; `distributions` are the wheels' names, for the tags in them;
    `python_args` are options of the interpreter."""

    folder: str
    distributions: tuple[str, ...]
    constraints: tuple[str, ...]
    python_args: tuple[str, ...]


def build(pex: Pex, origin: str, out: str) -> AppTree:
    """Raises MinimgError: MINIMG-E011 for two distributions with different files at one path,
    MINIMG-E043 for a PEX that says nothing of what to start."""
    libraries = os.path.join(out, LIBRARIES)
    os.makedirs(libraries)
    owners: dict[str, str] = {}
    for name, folder in pex.distributions.items():
        _install(name, folder, out, owners, origin)
    shutil.copytree(pex.code, os.path.join(out, CODE), symlinks=True)
    _without_caches(out)
    with open(os.path.join(out, MAIN), "w", encoding="utf-8") as file:
        file.write(_main(pex, libraries, out, origin))
    return AppTree(out, tuple(pex.distributions), pex.constraints, pex.python_args)


def _install(wheel: str, folder: str, out: str, owners: dict[str, str], origin: str) -> None:
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            source = os.path.join(top, name)
            relative = os.path.relpath(source, folder)
            place = _place(relative)
            if place is None or _DROPPED.match(relative):
                continue
            target = os.path.join(out, place)
            taken = _taken(place, target, owners)
            if taken is not None:
                if taken == place and filecmp.cmp(source, target, shallow=False):
                    continue
                raise MinimgError(
                    "MINIMG-E011",
                    origin,
                    f"{_owner(taken, owners)} and {wheel} hold different files at {taken}",
                    "Let the PEX take versions that go together.",
                )
            owners[place] = wheel
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)


def _taken(place: str, target: str, owners: Mapping[str, str]) -> str | None:
    """Where something is already that is no folder on the way."""
    at = place.find("/")
    while at >= 0:
        if place[:at] in owners:
            return place[:at]
        at = place.find("/", at + 1)
    return place if os.path.exists(target) else None


def _owner(place: str, owners: Mapping[str, str]) -> str:
    """Whose a file is, or the first file of a folder."""
    return next(
        wheel for path, wheel in owners.items() if path == place or path.startswith(f"{place}/")
    )


def _place(relative: str) -> str | None:
    """Where a file of an installed or packed wheel goes, relative to the tree."""
    first, _, rest = relative.partition("/")
    if first == ".prefix":  # PEX's stash of what pip would put beside the packages
        return rest if rest.startswith("bin/") else os.path.join("data", rest)
    if first.endswith(".data"):
        key, _, below = rest.partition("/")
        return {
            "purelib": os.path.join(LIBRARIES, below),
            "platlib": os.path.join(LIBRARIES, below),
            "scripts": os.path.join("bin", below),
            "data": os.path.join("data", below),
        }.get(key)
    if first == "bin":
        return relative
    return os.path.join(LIBRARIES, relative)


def _without_caches(out: str) -> None:
    for top, folders, _ in os.walk(out):
        for name in [name for name in folders if name == "__pycache__"]:
            shutil.rmtree(os.path.join(top, name))
            folders.remove(name)


def _main(pex: Pex, libraries: str, out: str, origin: str) -> str:
    return _TEMPLATE.format(
        code=CODE,
        libraries=LIBRARIES,
        environment=_environment(pex.env),
        arguments=f"sys.argv[1:1] = {list(pex.args)!r}\n" if pex.args else "",
        start=_start(pex, libraries, out, origin),
    )


def _environment(env: Mapping[str, str]) -> str:
    return "".join(f"os.environ.setdefault({key!r}, {value!r})\n" for key, value in env.items())


def _start(pex: Pex, libraries: str, out: str, origin: str) -> str:
    entry = pex.entry_point or _console_script(pex.script, libraries)
    if not entry and pex.script and os.path.isfile(os.path.join(out, "bin", pex.script)):
        path = f"os.path.join(root, 'bin', {pex.script!r})"
        return f"import runpy\n\nrunpy.run_path({path}, run_name='__main__')\n"
    match = _ENTRY.match(entry)
    if match is None:
        what = f"the script {pex.script!r}" if pex.script else f"the entry point {entry!r}"
        raise MinimgError(
            "MINIMG-E043",
            origin,
            f"{what} is not in the PEX" if pex.script or entry else "it has no entry point",
            "Set `entry_point` or `script` of the `pex_binary`.",
        )
    module, function = match[1], match[2]
    if function is None:
        return (
            f"import runpy\n\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
        )
    first, _, _ = function.partition(".")
    return f"from {module} import {first}\n\nsys.exit({function}())\n"


def _console_script(name: str, libraries: str) -> str:
    """`module:function` of a console script (PyPA specifications, "Entry points")."""
    for folder in sorted(os.listdir(libraries)) if name else ():
        path = os.path.join(libraries, folder, "entry_points.txt")
        if not folder.endswith(".dist-info") or not os.path.isfile(path):
            continue
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("console_scripts", "gui_scripts"):
            if parser.has_option(section, name):
                return parser.get(section, name).partition("[")[0].replace(" ", "")
    return ""
