"""elfpak, from crates.io. It has no UPX."""

from __future__ import annotations

from benchmarks.peers.peer import PROGRAMS, Peer


def peers(program: str) -> list[Peer]:
    # Several programs in one image need an entrypoint, and a folder that keeps their paths.
    command = (
        *(program, "--quiet", "bundle", *PROGRAMS, "--install-dir", "/usr/bin"),
        *("--entrypoint", PROGRAMS[0], "--oci-archive", "image.tar"),
    )
    return [
        Peer(
            name="elfpak --oci-archive",
            upx=False,
            program=program,
            steps=(command,),
            archive="image.tar",
            version_command=(program, "--version"),
            note="its layers are not compressed",
        )
    ]
