"""Which system a root is of, by os-release(5)."""

from __future__ import annotations

import re

from pants_plugin_minimg.bundler.records import NamedTuple

_LINE = re.compile(r"""([A-Z][A-Z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^"'\s]*))\s*""")
_ID = re.compile(r"[a-z0-9._-]{1,100}")


class OsRelease(NamedTuple):
    """`ident` is ID, such as "debian"; `name` PRETTY_NAME.

    `version` is VERSION_ID, empty where a rolling release has none.
    """

    ident: str
    version: str
    name: str

    @property
    def distro(self) -> str:
        """As package URLs qualify with it: `debian-12`."""
        return f"{self.ident}-{self.version}" if self.version else self.ident


def parse(content: bytes) -> OsRelease | None:
    """None for what does not name a system."""
    values: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").split("\n"):
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            values[match[1]] = re.sub(
                r"\\([$\"'`\\])", r"\1", match[2] or match[3] or match[4] or ""
            )
    ident = values.get("ID", "linux")
    if not values or not _ID.fullmatch(ident):
        return None
    return OsRelease(ident, values.get("VERSION_ID", ""), values.get("PRETTY_NAME", ident))
