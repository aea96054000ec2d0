"""magicpak, from crates.io. It makes a folder; the engine makes the image of it."""

from __future__ import annotations

from benchmarks.peers.peer import PROGRAMS, Peer, imported


def peers(program: str, engine: str) -> list[Peer]:
    found = []
    for upx in (False, True):
        tag = f"minimg-benchmark/magicpak{'-upx' if upx else ''}:latest"
        options = ("--compress",) if upx else ()
        found.append(
            Peer(
                name="magicpak" + (" --compress" if upx else ""),
                upx=upx,
                program=program,
                steps=(
                    ("rm", "-rf", "rootfs"),
                    (program, *options, *PROGRAMS, "rootfs"),
                    imported(engine, tag),
                ),
                tag=tag,
            )
        )
    return found
