"""The systems that this one is measured beside, each with its own commands and defaults."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers import dockerize2, elfpak, magicpak, shell_lines
from benchmarks.peers.peer import Peer

TOOLS = ("dockerize", "elfpak", "magicpak")


def all_peers(tools: Mapping[str, str], engine: str) -> list[Peer]:
    """Every peer and variant; `tools` maps a name of TOOLS to the program to run."""
    return [
        *dockerize2.peers(tools["dockerize"]),
        *elfpak.peers(tools["elfpak"]),
        *magicpak.peers(tools["magicpak"], engine),
        *shell_lines.peers(engine),
    ]
