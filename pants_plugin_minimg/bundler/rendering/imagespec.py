"""What an image is called and what its container does: the JSON that the rules write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pants_plugin_minimg.bundler import jsonfile, sizes
from pants_plugin_minimg.bundler.durations import nanoseconds
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.records import NamedTuple

_PORT = re.compile(r"(\d+)(?:/(tcp|udp|sctp))?")


class Name(NamedTuple):
    """One tag in one repository. `template` is the tag as the target spells it.

    `alias` and `address` are those of its registry, if it has one; `repository` is without it. A
    `local` name begins with the alias, and `name` is the whole reference.
    """

    repository: str
    template: str
    tag: str
    name: str
    alias: str | None = None
    address: str | None = None
    local: bool = False


class Healthcheck(NamedTuple):
    """Docker's own field of the config; times in nanoseconds, 0 for docker's own values."""

    command: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    retries: int


class Process(NamedTuple):
    """The container's side of the image, as the fields give it."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    workdir: str | None
    user: str | None
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    stop_signal: str | None
    labels: tuple[tuple[str, str], ...]
    healthcheck: Healthcheck | None = None


class Budget(NamedTuple):
    """The most bytes that an image may have, on disk and on the wire; None: any."""

    disk: int | None = None
    wire: int | None = None


class ImageSpec(NamedTuple):
    """`artifact` is where the product goes below the distribution folder; `annotations` are the
    manifest's; `address` is what errors are about."""

    artifact: str
    names: tuple[Name, ...]
    process: Process
    annotations: tuple[tuple[str, str], ...] = ()
    budget: Budget = Budget()
    address: str = ""


class IndexSpec(NamedTuple):
    """The same of an index of images, which has no process of its own."""

    artifact: str
    names: tuple[Name, ...]
    annotations: tuple[tuple[str, str], ...]
    address: str


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"{raw!r} where a string is understood")
    return raw


def _optional(raw: dict[str, Any], key: str) -> str | None:
    return None if raw.get(key) is None else _text(raw[key])


def _texts(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    values = raw.get(key) or ()
    if isinstance(values, str):
        raise TypeError(f"{key}: {values!r} where a list is understood")
    return tuple(map(_text, values))


def _pairs(raw: dict[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(value)) for name, value in (raw.get(key) or {}).items())


def _bytes(raw: dict[str, Any], key: str) -> int | None:
    return None if raw.get(key) is None else sizes.parse(_text(raw[key]))


def _process(raw: dict[str, Any]) -> Process:
    return Process(
        entrypoint=_texts(raw, "entrypoint"),
        cmd=_texts(raw, "cmd"),
        env=_pairs(raw, "env"),
        workdir=raw.get("workdir"),
        user=raw.get("user"),
        ports=_texts(raw, "ports"),
        volumes=_texts(raw, "volumes"),
        stop_signal=raw.get("stop_signal"),
        labels=_pairs(raw, "labels"),
        healthcheck=_healthcheck(raw["healthcheck"]) if raw.get("healthcheck") else None,
    )


def _healthcheck(raw: dict[str, Any]) -> Healthcheck:
    def time(key: str) -> int:
        return nanoseconds(_text(raw[key])) if raw.get(key) else 0

    return Healthcheck(
        command=_texts(raw, "command"),
        interval=time("interval"),
        timeout=time("timeout"),
        start_period=time("start_period"),
        retries=int(raw.get("retries") or 0),
    )


def _name(raw: dict[str, Any]) -> Name:
    return Name(
        repository=_text(raw["repository"]),
        template=_text(raw["template"]),
        tag=_text(raw["tag"]),
        name=_text(raw["name"]),
        alias=_optional(raw, "alias"),
        address=_optional(raw, "address"),
        local=bool(raw.get("local")),
    )


def load(path: str) -> ImageSpec:
    """Raises MinimgError MINIMG-E001 for what is no such file, Problems for wrong values."""
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        spec = ImageSpec(
            artifact=_text(raw["artifact"]),
            names=tuple(dict.fromkeys(map(_name, raw["names"]))),
            process=_process(raw["config"]),
            annotations=_pairs(raw, "annotations"),
            budget=Budget(_bytes(raw, "max_size"), _bytes(raw, "max_wire_size")),
            address=_text(raw.get("address", raw["artifact"])),
        )
    problems = list(_problems(spec))
    if problems:
        raise Problems(problems)
    return spec


def load_index(path: str) -> IndexSpec:
    """Raises MinimgError MINIMG-E001 for what is no such file."""
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        return IndexSpec(
            artifact=_text(raw["artifact"]),
            names=tuple(dict.fromkeys(map(_name, raw["names"]))),
            annotations=_pairs(raw, "annotations"),
            address=_text(raw["address"]),
        )


def port(text: str) -> str:
    """`8080` or `8080/udp` as the config spells it. Raises ValueError."""
    match = _PORT.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 65536:
        raise ValueError(f"the port {text!r} is not of the form 8080 or 8080/udp")
    return f"{int(match[1])}/{match[2] or 'tcp'}"


def _problems(spec: ImageSpec) -> Iterator[MinimgError]:
    for text in spec.process.ports:
        try:
            port(text)
        except ValueError as error:
            yield MinimgError("MINIMG-E018", spec.artifact, str(error))
    for path in (*spec.process.volumes, *filter(None, (spec.process.workdir,))):
        if not path.startswith("/") or "\0" in path:
            yield MinimgError(
                "MINIMG-E018", spec.artifact, f"{path!r} in `volumes` or `workdir` is not absolute"
            )
    for name, value in spec.process.env:
        if not name or "=" in name or "\0" in name + value:
            yield MinimgError(
                "MINIMG-E018", spec.artifact, f"{name!r} in `env` is no variable name"
            )
