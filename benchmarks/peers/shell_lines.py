"""The shell lines of the articles on small images, in an equivalent of our own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.peer import PROGRAMS, Peer, imported


def peers(engine: str) -> list[Peer]:
    script = str(Path(__file__).with_suffix(".sh"))
    found = []
    for upx in (False, True):
        tag = f"minimg-benchmark/shell-lines{'-upx' if upx else ''}:latest"
        pack = (("upx", "-q", *(f"rootfs{program}" for program in PROGRAMS)),) if upx else ()
        found.append(
            Peer(
                name="shell lines (ldd, readelf, cp)" + (" + upx" if upx else ""),
                upx=upx,
                program="sh",
                steps=(
                    ("rm", "-rf", "rootfs"),
                    ("sh", script, "rootfs", *PROGRAMS),
                    *pack,
                    imported(engine, tag),
                ),
                tag=tag,
                hidden={script: "shell_lines.sh"},
            )
        )
    return found
