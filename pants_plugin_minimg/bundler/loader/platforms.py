"""What depends on the machine: default loaders, musl's names, $PLATFORM at the baseline."""

from __future__ import annotations

from pants_plugin_minimg.bundler.binaries.elf import (
    EF_ARM_HARD_FLOAT,
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_X86_64,
    Header,
)

#: (machine, bits) -> glibc's loader, musl's name of the architecture, AT_PLATFORM at the baseline.
_MACHINES: dict[tuple[int, int], tuple[bytes, bytes, bytes | None]] = {
    (EM_X86_64, 64): (b"/lib64/ld-linux-x86-64.so.2", b"x86_64", b"x86_64"),
    (EM_X86_64, 32): (b"/libx32/ld-linux-x32.so.2", b"x32", b"x86_64"),
    (EM_386, 32): (b"/lib/ld-linux.so.2", b"i386", b"i686"),
    (EM_AARCH64, 64): (b"/lib/ld-linux-aarch64.so.1", b"aarch64", b"aarch64"),
    (EM_RISCV, 64): (b"/lib/ld-linux-riscv64-lp64d.so.1", b"riscv64", None),
    (EM_PPC64, 64): (b"/lib64/ld64.so.2", b"powerpc64le", b"power8"),
    (EM_S390, 64): (b"/lib/ld64.so.1", b"s390x", b"z900"),
}


def _machine(header: Header) -> tuple[bytes, bytes, bytes | None] | None:
    if header.machine == EM_ARM and header.elfclass == 32:
        if header.e_flags & EF_ARM_HARD_FLOAT:
            return b"/lib/ld-linux-armhf.so.3", b"armhf", b"v7l"
        return b"/lib/ld-linux.so.3", b"arm", b"v5l"
    return _MACHINES.get((header.machine, header.elfclass))


def default_loaders(header: Header) -> tuple[bytes, bytes] | None:
    """glibc's and musl's usual PT_INTERP for such files; None for an unknown machine."""
    found = _machine(header)
    return None if found is None else (found[0], b"/lib/ld-musl-%s.so.1" % found[1])


def baseline_platform(header: Header) -> bytes | None:
    """$PLATFORM on the least processor of the architecture; None where the kernel names none."""
    found = _machine(header)
    return None if found is None else found[2]


def default_directories(header: Header) -> tuple[bytes, ...]:
    """Where glibc looks when its own binary does not tell."""
    wide = header.elfclass == 64
    return (b"/lib64/", b"/usr/lib64/") if wide else (b"/lib/", b"/usr/lib/")
