"""What maintainer scripts declare, by dpkg-divert(1) and update-alternatives(1).

Nothing is run. Only calls whose words are all constant are understood; others count as not there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.text import path_bytes, text

_CONTINUED = re.compile(r"\\\n")
_REDIRECTION = re.compile(r"(?<!\S)[0-9]?(?:>>?|<)(?:&[0-9-]|\s*[^\s;&|<>()]+)")
#: A word that a shell would leave as it is, once the quotes are off.
_CONSTANT = re.compile(r"[^\s$`*?\[\]{}\\;&|<>()]+\Z")
_PUNCTUATION = frozenset(";&|<>()")


class Diversion(NamedTuple):
    """What others ship at `path` goes to `target`. `package` is exempt; None: nobody is."""

    path: bytes
    target: bytes
    package: str | None

    def to_json(self) -> dict[str, Any]:
        return {"path": text(self.path), "target": text(self.target), "package": self.package}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Diversion:
        return cls(path_bytes(raw["path"]), path_bytes(raw["target"]), raw["package"])


class Alternative(NamedTuple):
    """`link` may be made to lead to `path`, by way of /etc/alternatives/`name`.

    `slaves` are links that follow it: (link, name, path).
    """

    link: bytes
    name: bytes
    path: bytes
    priority: int
    slaves: tuple[tuple[bytes, bytes, bytes], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "link": text(self.link),
            "name": text(self.name),
            "path": text(self.path),
            "priority": self.priority,
            "slaves": [[text(word) for word in slave] for slave in self.slaves],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Alternative:
        return cls(
            link=path_bytes(raw["link"]),
            name=path_bytes(raw["name"]),
            path=path_bytes(raw["path"]),
            priority=raw["priority"],
            slaves=tuple(
                (path_bytes(link), path_bytes(name), path_bytes(path))
                for link, name, path in raw["slaves"]
            ),
        )


def diversions(scripts: Iterable[bytes], package: str) -> list[Diversion]:
    """The diversions that a package's scripts add, sorted, each once."""
    found = {
        diversion
        for words in _calls(scripts, "dpkg-divert")
        for diversion in _diversion(words, package)
    }
    return sorted(found, key=lambda item: (item.path, item.target, item.package or ""))


def alternatives(scripts: Iterable[bytes]) -> list[Alternative]:
    """The alternatives that a package's scripts install, sorted, each once."""
    found = {
        alternative
        for words in _calls(scripts, "update-alternatives")
        for alternative in _alternative(words)
    }
    return sorted(found, key=lambda item: (item.link, item.path, item.name, item.priority))


def _calls(scripts: Iterable[bytes], program: str) -> Iterator[list[str]]:
    """The words after the program's name, for each call of it."""
    for script in scripts:
        if program.encode() not in script:
            continue
        lines = _CONTINUED.sub(" ", script.decode("utf-8", "backslashreplace"))
        for line in lines.split("\n"):
            if program in line:
                yield from _calls_in(line, program)


def _calls_in(line: str, program: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(_REDIRECTION.sub(" ", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quotation that goes over several lines
        return
    call: list[str] | None = None
    for word in [*words, ";"]:
        if word and set(word) <= _PUNCTUATION:
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif word.rpartition("/")[2] == program:
            call = []


def _diversion(words: list[str], package: str) -> Iterator[Diversion]:
    owner: str | None = package
    target = path = None
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--package", "--divert", "--admindir", "--instdir", "--root"):
            value = value if equals else next(rest, "")
            if name == "--package" and "$" not in value:
                owner = value
            elif name == "--divert":
                target = value
        elif word == "--local":
            owner = None
        elif word in ("--remove", "--list", "--listpackage", "--truename", "--help", "--version"):
            return
        elif not word.startswith("-"):
            if path is not None:
                return
            path = word
    if path is not None:
        target = path + ".distrib" if target is None else target
        if _is_path(path) and _is_path(target):
            yield Diversion(path.encode(), target.encode(), owner)


def _alternative(words: list[str]) -> Iterator[Alternative]:
    if "--install" not in words:
        return
    at = words.index("--install")
    main, rest = words[at + 1 : at + 5], words[at + 5 :]
    if len(main) < 4 or not re.match(r"-?[0-9]{1,9}\Z", main[3]):
        return
    link, name, path = main[:3]
    if not (_is_path(link) and _is_name(name) and _is_path(path)):
        return
    slaves = []
    for index, word in enumerate(rest):
        slave = rest[index + 1 : index + 4]
        if word == "--slave" and len(slave) == 3:
            if _is_path(slave[0]) and _is_name(slave[1]) and _is_path(slave[2]):
                slaves.append((slave[0].encode(), slave[1].encode(), slave[2].encode()))
    yield Alternative(link.encode(), name.encode(), path.encode(), int(main[3]), tuple(slaves))


def _is_path(word: str) -> bool:
    return (
        word[:1] == "/"
        and bool(_CONSTANT.match(word))
        and not {"", ".", ".."} & set(word[1:].split("/"))
    )


def _is_name(word: str) -> bool:
    return "/" not in word and word not in (".", "..") and bool(_CONSTANT.match(word))
