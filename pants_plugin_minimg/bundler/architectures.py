"""Debian's names of architectures, and the platforms of images that they are."""

from __future__ import annotations

#: Debian's name -> os, architecture and variant, as `elf.platform` gives them (OCI image-index).
PLATFORMS = {
    "amd64": ("linux", "amd64"),
    "arm64": ("linux", "arm64", "v8"),
    "armhf": ("linux", "arm", "v7"),
    "i386": ("linux", "386"),
    "ppc64el": ("linux", "ppc64le"),
    "riscv64": ("linux", "riscv64"),
    "s390x": ("linux", "s390x"),
}
