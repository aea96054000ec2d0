"""The apt sources of a machine, in both formats (sources.list(5))."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

_SCHEMES = ("http", "https", "file")
# apt ignores the other names in sources.list.d.
_PART = re.compile(r"[A-Za-z0-9_.-]+\.(list|sources)\Z")
_LINE = re.compile(r"deb(?:\s+\[(?P<options>[^\]]*)\])?\s+(?P<rest>\S.*)\Z")


@dataclass(frozen=True)
class Source:
    """One archive. No `architectures`: all. `keyrings` are files, `keys` is ASCII armor.

    Without both it is trusted by the keys that apt trusts for all.
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    architectures: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()
    keys: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "uri": self.uri,
            "suites": list(self.suites),
            "components": list(self.components),
            "architectures": list(self.architectures),
            "keyrings": list(self.keyrings),
            "keys": self.keys,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Source:
        """Raises LookupError or TypeError."""
        lists = ("suites", "components", "architectures", "keyrings")
        return cls(
            uri=str(raw["uri"]),
            keys=str(raw["keys"]),
            **{name: tuple(map(str, raw[name])) for name in lists},
        )


@dataclass
class Found:
    """`skipped` says of each source that is of no use: which file, which source, why."""

    sources: list[Source] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def load(folder: str) -> Found:
    """Those of `folder`, such as /etc/apt, in apt's order. A missing folder has none."""
    found = Found()
    parts = os.path.join(folder, "sources.list.d")
    names = sorted(filter(_PART.match, os.listdir(parts))) if os.path.isdir(parts) else []
    for path in [os.path.join(folder, "sources.list"), *(os.path.join(parts, n) for n in names)]:
        if not os.path.isfile(path):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                content = file.read()
        except (OSError, ValueError) as error:
            found.skipped.append(f"{path}: it cannot be read: {error}")
            continue
        if path.endswith(".sources"):
            _deb822(content, path, found)
        else:
            _one_line(content, path, found)
    return found


def _one_line(content: str, path: str, found: Found) -> None:
    for number, line in enumerate(content.split("\n"), 1):
        line = line.partition("#")[0].strip()
        if not line or line.split()[0] == "deb-src":
            continue
        match = _LINE.match(line)
        words = match["rest"].split() if match else []
        if match is None or len(words) < 2:
            found.skipped.append(f"{path}:{number}: not a line that apt reads")
            continue
        options = dict(word.partition("=")[::2] for word in (match["options"] or "").split())
        _add(
            found,
            f"{path}:{number}",
            words[0],
            (words[1],),
            tuple(words[2:]),
            _commas(options.get("arch", "")),
            _commas(options.get("signed-by", "")),
        )


def _deb822(content: str, path: str, found: Found) -> None:
    # Not at the top: every build with a lock reads sources, and the parser is slow to import.
    from pants_plugin_minimg.bundler.debian import control

    try:
        stanzas = control.paragraphs(content)
    except ValueError as error:
        found.skipped.append(f"{path}: {error}")
        return
    for stanza in stanzas:
        if stanza.get("enabled", "yes").strip().lower() in ("no", "false", "off", "0", "without"):
            continue
        if "deb" not in stanza.get("types", "").split():
            continue
        signed_by = stanza.get("signed-by", "")
        inline = "-----BEGIN PGP" in signed_by
        for uri in stanza.get("uris", "").split():
            _add(
                found,
                path,
                uri,
                tuple(stanza.get("suites", "").split()),
                tuple(stanza.get("components", "").split()),
                tuple(stanza.get("architectures", "").split()),
                () if inline else _commas(signed_by),
                _armor(signed_by) if inline else "",
            )


def _add(
    found: Found,
    where: str,
    uri: str,
    suites: tuple[str, ...],
    components: tuple[str, ...],
    architectures: tuple[str, ...],
    keyrings: tuple[str, ...],
    keys: str = "",
) -> None:
    reason = _useless(uri, suites, components, keyrings)
    if reason:
        found.skipped.append(f"{where}: {_without_user(uri)}: {reason}")
        return
    if uri.startswith("file:"):  # file:/x and file:///x are one
        uri = "file:///" + uri[5:].lstrip("/")
    found.sources.append(Source(uri.rstrip("/"), suites, components, architectures, keyrings, keys))


def _useless(
    uri: str, suites: tuple[str, ...], components: tuple[str, ...], keyrings: tuple[str, ...]
) -> str | None:
    scheme, colon, _ = uri.partition(":")
    if not colon or scheme not in _SCHEMES:
        return f"only {', '.join(_SCHEMES)} are understood"
    if "@" in uri.partition("//")[2].partition("/")[0]:
        return "a URL with a user name is not supported"
    if not suites or any(suite.endswith("/") for suite in suites):
        return "an archive without suites is not supported"
    if not components:
        return "it names no component"
    if any("$(" in word for word in (uri, *suites)):
        return "variables such as $(ARCH) are not supported"
    if any(not ring.startswith("/") for ring in keyrings):
        return "a Signed-By that is a fingerprint is not supported"
    return None


def _without_user(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


def _commas(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _armor(text: str) -> str:
    """A key inside a field: a line with a dot stands for an empty one."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join("" if line == "." else line for line in lines).strip() + "\n"
