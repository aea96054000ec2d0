"""What is in a PEX, of whichever layout: zipapp, packed or loose.

PEX's own layout: PEX-INFO (JSON), the user's code beside it, `.deps/NAME.whl/` with each
distribution as it was installed (a zip of its own in the packed layout), and `.bootstrap`, which is
not needed where nothing is to be unpacked.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pants_plugin_minimg.bundler.errors import MinimgError, of_the_machine
from pants_plugin_minimg.bundler.planning.unpacking import DAMAGE
from pants_plugin_minimg.bundler.records import NamedTuple

_INFO, _DEPS = "PEX-INFO", ".deps"
#: PEX's own, at the top.
_OWN = (_INFO, "__main__.py", "__pex__", ".bootstrap", _DEPS, ".layout.json", "pex", "pex-repl")
#: With one of these set, PEX does not ask for all that a requirement leads to.
_LACKING = ("ignore_errors", "excluded", "overridden", "pex_path", "pex_paths")
_MAX_INFO, _MOST = 1 << 24, 64 << 30
_UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, TypeError, AttributeError)


class Pex(NamedTuple):
    """`code` is a folder with the user's code, `distributions` wheel name -> folder.

    `entry_point` is `module` or `module:function`, `script` the name of a console script; an empty
    one is not set. `constraints` are alternatives, each as in `CPython>=3.9,<3.12`. `args` are the
    program's, `python_args` the interpreter's. `requirements` are those that it was made for; with
    `may_lack` it starts without some of what they lead to.
    """

    code: str
    distributions: Mapping[str, str]
    entry_point: str
    script: str
    constraints: tuple[str, ...]
    env: Mapping[str, str]
    args: tuple[str, ...]
    python_args: tuple[str, ...]
    requirements: tuple[str, ...]
    may_lack: bool


def is_pex(files: Sequence[str]) -> bool:
    """Whether these are the files of a loose or packed PEX, by their paths."""
    return _INFO in files


def unpack(source: str, origin: str, scratch: str) -> Pex:
    """`source` is a zip or a folder; `scratch` a new folder for what has to be unpacked.

    Raises MinimgError MINIMG-E001 for what is no PEX, and OSError for what the machine lacks.
    """
    folder = source
    try:
        if os.path.isfile(source):
            folder = os.path.join(scratch, "pex")
            _unzip(source, folder, origin)
        info = _info(folder)
        distributions = dict(_distributions(folder, scratch, origin))
        found = Pex(
            code=os.path.join(scratch, "code"),
            distributions=distributions,
            entry_point=str(info.get("entry_point") or ""),
            script=str(info.get("script") or ""),
            constraints=tuple(map(str, info.get("interpreter_constraints") or ())),
            env={str(k): str(v) for k, v in (info.get("inject_env") or {}).items()},
            args=tuple(map(str, info.get("inject_args") or ())),
            python_args=tuple(map(str, info.get("inject_python_args") or ())),
            requirements=tuple(map(str, info.get("requirements") or ())),
            may_lack=any(info.get(key) for key in _LACKING),
        )
    except _UNREADABLE as error:
        if of_the_machine(error):
            raise
        raise MinimgError(
            "MINIMG-E001", origin, f"what it built is no PEX that this version reads: {error}"
        ) from None
    _code(folder, found.code)
    return found


def _info(folder: str) -> dict[str, Any]:
    with open(os.path.join(folder, _INFO), "rb") as file:
        raw = json.loads(file.read(_MAX_INFO))
    if not isinstance(raw, dict):
        raise ValueError(f"{_INFO} is no object")
    return raw


def _distributions(folder: str, scratch: str, origin: str) -> Iterator[tuple[str, str]]:
    deps = os.path.join(folder, _DEPS)
    for name in sorted(os.listdir(deps)) if os.path.isdir(deps) else ():
        path = os.path.join(deps, name)
        if os.path.isfile(path):
            target = os.path.join(scratch, "deps", name)
            _unzip(path, target, origin)
            path = target
        yield name, path


def _code(folder: str, out: str) -> None:
    """The user's code alone, in a folder of its own."""
    os.makedirs(out)
    for name in sorted(os.listdir(folder)):
        if name in _OWN and not (name == "pex" and os.path.isdir(os.path.join(folder, name))):
            continue
        source, target = os.path.join(folder, name), os.path.join(out, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target, follow_symlinks=False)


def _unzip(source: str, folder: str, origin: str) -> None:
    """Names stay inside the folder; sizes are those that the zip's index gives."""
    left = _MOST
    with zipfile.ZipFile(source) as archive:
        for item in archive.infolist():
            parts = [part for part in item.filename.split("/") if part not in ("", ".")]
            if ".." in parts or item.filename.startswith("/") or not parts:
                if item.is_dir():
                    continue  # nothing is in it; PEX writes `../` into packed distributions
                raise ValueError(f"its member {item.filename!r} leaves it")
            left -= item.file_size
            if left < 0:
                raise ValueError("it unpacks to far too much")
            target = os.path.join(folder, *parts)
            if item.is_dir():
                os.makedirs(target, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(item) as packed, open(target, "wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
            os.chmod(target, 0o755 if item.external_attr >> 16 & 0o111 else 0o644)
