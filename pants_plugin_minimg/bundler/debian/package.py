"""One binary package: who it is, what its control file says, and the hashes that it lists."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pants_plugin_minimg.bundler.errors import MinimgError

# Debian Policy 5.6.1, 5.6.7, 5.6.8 and 5.6.12; as in dpkg, one letter is a name too.
_SOURCE = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?:\s*\(([0-9A-Za-z.+~:-]+)\))?\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")
_VERSION = re.compile(r"[0-9A-Za-z.+~:-]+\Z")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class Package:
    """`control` is the stanza as text. `md5sums` has canonical absolute paths as its keys, and two
    packages may be equal whatever they have there."""

    def __init__(
        self,
        name: str,
        version: str,
        architecture: str,
        source_name: str,
        source_version: str,
        control: str,
        md5sums: Mapping[bytes, str],
    ) -> None:
        self.name = name
        self.version = version
        self.architecture = architecture
        self.source_name = source_name
        self.source_version = source_version
        self.control = control
        self.md5sums = md5sums

    def with_md5sums(self, md5sums: Mapping[bytes, str]) -> Package:
        return Package(*self._compared(), md5sums)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Package) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def _compared(self) -> tuple[str, str, str, str, str, str]:
        return (
            self.name,
            self.version,
            self.architecture,
            self.source_name,
            self.source_version,
            self.control,
        )


def fields(stanza: str) -> dict[str, str]:
    """The fields of one stanza (Debian Policy 5.1), by their names in lower case.

    The lines of a field are joined by newlines, without what indents them. The first of two equal
    fields counts; comments and lines that are no field are passed over.
    """
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in stanza.split("\n"):
        if line[:1] in (" ", "\t"):
            current.append(line.strip())
        elif ":" in line and line[:1] != "#":
            name, _, value = line.partition(":")
            current = [value.strip()]
            found.setdefault(name.strip().lower(), current)
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def read(stanza: str, subject: str, md5sums: Mapping[bytes, str] | None = None) -> Package:
    """The package that a stanza describes. Raises MinimgError MINIMG-E027 about `subject`."""
    known = fields(stanza)

    def field_of(name: str, pattern: re.Pattern[str], default: str = "") -> re.Match[str]:
        found = pattern.match(known.get(name.lower()) or default)
        if found is None:
            raise MinimgError(
                "MINIMG-E027", subject, f"its control file has no proper field `{name}`"
            )
        return found

    name = field_of("Package", _NAME).group()
    version = field_of("Version", _VERSION).group()
    source = field_of("Source", _SOURCE, name)
    return Package(
        name=name,
        version=version,
        architecture=field_of("Architecture", _ARCHITECTURE).group(),
        source_name=source.group(1),
        source_version=source.group(2) or version,
        control=stanza,
        md5sums={} if md5sums is None else md5sums,
    )
