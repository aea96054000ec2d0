"""Which distributions of a PEX its program needs on a sysroot's Python, as PEX finds it.

PEX's `environment.py`: from the requirements of PEX-INFO, those whose markers hold, to what the
METADATA of each distribution requires, with the extras of what asked for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import BytesHeaderParser

from pants_plugin_minimg.bundler.python import markers
from pants_plugin_minimg.bundler.python.interpreter import Interpreter
from pants_plugin_minimg.bundler.records import NamedTuple

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?(.*)", re.S
)
#: A URL ends at a space (PEP 508), all else before its marker has no semicolon.
_URL = re.compile(r"\s*@\s*(\S+)(?:\s+;(.*))?\s*\Z", re.S)


class Requirement(NamedTuple):
    """`project` is normalized, `text` as it was written; `marker` is empty where there is none."""

    project: str
    extras: frozenset[str]
    marker: str
    text: str


class Needed(NamedTuple):
    """`left_out` are distributions that nothing asks for, each with what would on another Python;
    `missing` what is asked for and not there, each with who asks."""

    distributions: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]


def parse(text: str) -> Requirement:
    """Raises ValueError."""
    match = _REQUIREMENT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no requirement")
    name, extras, rest = match.groups()
    url = _URL.match(rest)
    marker = (url[2] or "") if url else rest.partition(";")[2]
    found = frozenset(markers.normalized(extra.strip()) for extra in (extras or "").split(","))
    return Requirement(markers.normalized(name), found - {""}, marker.strip(), text.strip())


def needed(
    requirements: Sequence[str], distributions: Mapping[str, str], interpreter: Interpreter
) -> Needed:
    """Of `distributions` (wheel name -> folder, one of each project) those that `requirements`
    lead to. All, where there are no requirements, or one is not understood.

    A marker that is open counts as one that holds, but makes nothing missing.
    """
    variables = markers.environment(interpreter)
    by_project = {project_of(name): name for name in distributions}
    try:
        queue = [(parse(each), frozenset[str](), True, "the PEX") for each in requirements]
        asked: dict[str, list[Requirement]] = {
            name: [parse(each) for each in _required(folder)]
            for name, folder in distributions.items()
        }
    except ValueError:
        queue = []
    if not queue:
        return Needed(tuple(distributions), (), ())
    seen: set[tuple[str, frozenset[str]]] = set()
    skipped: dict[str, str] = {}
    missing: dict[str, str] = {}
    for requirement, extras, certain, by in queue:
        truth = markers.holds(requirement.marker, variables, extras)
        if truth is False:
            skipped.setdefault(requirement.project, f"{by} asks for {requirement.text}")
            continue
        certain = certain and truth is True
        name = by_project.get(requirement.project)
        if name is None:
            if certain:
                missing.setdefault(requirement.text, by)
            continue
        if (name, requirement.extras) not in seen:
            seen.add((name, requirement.extras))
            queue += [(each, requirement.extras, certain, name) for each in asked[name]]
    taken = {name for name, _ in seen}
    return Needed(
        tuple(name for name in distributions if name in taken),
        tuple(
            (name, skipped.get(project_of(name), "nothing asks for it"))
            for name in distributions
            if name not in taken
        ),
        tuple(missing.items()),
    )


def project_of(wheel: str) -> str:
    """The normalized project of a wheel's name, or of a folder that is called as the project."""
    return markers.normalized(wheel.partition("-")[0] if wheel.endswith(".whl") else wheel)


def _required(folder: str) -> Iterator[str]:
    """The `Requires-Dist` of a distribution's METADATA (core metadata)."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "METADATA")
        if name.endswith(".dist-info") and os.path.isfile(path):
            with open(path, "rb") as file:
                yield from _values(BytesHeaderParser().parse(file).get_all("Requires-Dist") or ())


def _values(headers: Iterable[object]) -> Iterator[str]:
    """Headers may be folded over lines."""
    return (" ".join(str(header).split()) for header in headers)
