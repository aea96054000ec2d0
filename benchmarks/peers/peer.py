"""What is known of a peer before it runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

PROGRAMS = ("/usr/bin/hlint", "/usr/bin/git")


@dataclass(frozen=True)
class Peer:
    """One row. The steps run in an empty folder; what they make is `archive` there, or the
    image `tag` in the engine, or (neither) something that is no image."""

    name: str
    upx: bool
    program: str
    steps: tuple[tuple[str, ...], ...]
    archive: str | None = None
    tag: str | None = None
    version_command: tuple[str, ...] | None = None
    slow: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_engine(self) -> bool:
        return self.tag is not None

    @property
    def has_image(self) -> bool:
        return self.archive is not None or self.tag is not None

    def anonymous(self, text: str) -> str:
        """The text with programs by their names, not by this machine's paths."""
        names = {self.program: self.program.rpartition("/")[2], **self.hidden}
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    def shown(self) -> list[str]:
        """The commands as the report prints them."""
        lines = (step[2] if step[:2] == ("sh", "-c") else shlex.join(step) for step in self.steps)
        return [self.anonymous(line) for line in lines]


def imported(engine: str, tag: str) -> tuple[str, ...]:
    """The step that makes an image of the folder `rootfs`."""
    return ("sh", "-c", f"tar -C rootfs -c . | {engine} import - {tag}")
