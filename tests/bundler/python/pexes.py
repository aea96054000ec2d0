"""PEXes of each layout, made without PEX."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LAYOUTS = ("zipapp", "packed", "loose")
SIX = {
    "six.py": b"VERSION = 1\n",
    "six-1.0.dist-info/METADATA": b"Name: six\nVersion: 1.0\n",
    "six-1.0.dist-info/RECORD": b"",
    ".layout.json": b"{}",
}
TOOL = {
    "tool/__init__.py": b"",
    "tool/cli.py": b"import sys\n\n\ndef main():\n    print('tool', sys.argv[1:])\n    return 4\n",
    "tool-1.0.dist-info/entry_points.txt": b"[console_scripts]\nthe-tool = tool.cli:main\n",
}


def pex(
    path: Path,
    layout: str,
    code: Mapping[str, bytes],
    wheels: Mapping[str, Mapping[str, bytes]] | None = None,
    **info: Any,
) -> Path:
    """A PEX at `path`; `info` are the keys of its PEX-INFO."""
    wheels = {"six-1.0-py2.py3-none-any.whl": SIX} if wheels is None else wheels
    files = {"PEX-INFO": json.dumps(info).encode(), "__main__.py": b"raise SystemExit('unused')\n"}
    files[".bootstrap/pex/__init__.py"] = b""
    files.update(code)
    for wheel, content in wheels.items():
        if layout == "packed":
            made = path.parent / f"{path.name}-{wheel}"
            _zip(made, content)
            files[f".deps/{wheel}"] = made.read_bytes()
            made.unlink()
        else:
            files.update({f".deps/{wheel}/{name}": data for name, data in content.items()})
    if layout == "zipapp":
        _zip(path, files)
        path.write_bytes(b"#!/usr/bin/env python3\n" + path.read_bytes())
        return path
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def _zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
