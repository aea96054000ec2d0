"""dockerize2, from PyPI: the image as a file, and by the engine's own build (its default)."""

from __future__ import annotations

from benchmarks.peers.peer import PROGRAMS, Peer

TAG = "minimg-benchmark/dockerize2:latest"


def peers(program: str) -> list[Peer]:
    version = (program, "--version")
    return [
        Peer(
            name="dockerize2 --output-oci",
            upx=False,
            program=program,
            steps=((program, "--output-oci", "image.tar", *PROGRAMS),),
            archive="image.tar",
            version_command=version,
        ),
        Peer(
            name="dockerize2 (docker build)",
            upx=False,
            program=program,
            steps=((program, "--tag", TAG, *PROGRAMS),),
            tag=TAG,
            version_command=version,
            # BuildKit keeps a cache that outlives the image: no run but the first would be cold.
            env={"DOCKER_BUILDKIT": "0"},
        ),
        Peer(
            name="dockerize2 --compress --output-oci",
            upx=True,
            program=program,
            steps=((program, "--compress", "--output-oci", "image.tar", *PROGRAMS),),
            archive="image.tar",
            version_command=version,
            slow=True,
            note="runs `upx --best`, about ten minutes",
        ),
    ]
