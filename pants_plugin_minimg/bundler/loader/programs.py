"""From a path to its closure: which kind of file, and whose rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.context import Context, LoaderFacts, context
from pants_plugin_minimg.bundler.loader.model import Closure, Opener, Opening, Settings
from pants_plugin_minimg.bundler.loader.platforms import default_directories, default_loaders
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, Walk
from pants_plugin_minimg.bundler.text import text

#: What makes glibc open libgcc_s.so.1 (nptl/pthread_cancel.c, pthread_exit.c, debug/backtrace.c).
LIBGCC_TRIGGERS = (b"pthread_cancel", b"pthread_exit", b"backtrace")
LIBGCC = b"libgcc_s.so.1"


def kind(sysroot: Sysroot, path: bytes) -> str:
    """ "dynamic", "static", "static-pie", "shared", "script" or "not-elf".

    MinimgError (MINIMG-E002) when there is no such file, (MINIMG-E001) when it cannot be read.
    """
    walk = _regular(sysroot, path)
    found = context(sysroot).file(walk.real)
    if found is None:
        raise MinimgError("MINIMG-E001", text(path), "it may not be read")
    if found.raw[:2] == b"#!":
        return "script"
    return "not-elf" if found.elf is None else elf_kind(found.elf)


def elf_kind(file: elf.Elf) -> str:
    """ "dynamic", "static", "static-pie" or "shared"."""
    if file.interp is not None:
        return "dynamic"
    if not file.dynamic or file.e_type != elf.ET_DYN:
        return "static"
    return "static-pie" if file.flags_1 & elf.DF_1_PIE else "shared"


def resolve(
    sysroot: Sysroot,
    path: bytes,
    *,
    ld_library_path: bytes = b"",
    extra: Sequence[bytes] = (),
    preload: bool = True,
    ld_preload: bytes = b"",
    libgcc: bool = False,
    trigger: bytes | None = None,
    implicit: Callable[[Closure, Opener], None] | None = None,
    opened: Sequence[Opening] = (),
) -> Closure:
    """What the loader loads for the program or library at `path`.

    `extra` are further libraries that the program will dlopen, `preload` says whether
    /etc/ld.so.preload counts, `libgcc` whether libgcc_s is looked for when a trigger asks for it
    (see `libgcc_trigger`), and `trigger` that one does, where it is known. `implicit` is called
    with the closure so far and opens what no tag tells; `opened` is what such a call did for the
    same files, to be done again. Missing and refused libraries are in the result.

    Raises MinimgError: MINIMG-E002 no such file, MINIMG-E003 no ELF file that could be started,
    MINIMG-E001 unreadable.
    """
    walk = _regular(sysroot, path)
    shared = context(sysroot)
    found = shared.file(walk.real)
    if found is None:
        raise MinimgError("MINIMG-E001", text(path), "it may not be read")
    if found.elf is None:
        raise MinimgError("MINIMG-E003", text(path), f"{found.error or 'not an ELF file'}")
    if found.elf.interp_error is not None:
        raise MinimgError("MINIMG-E003", text(path), found.elf.interp_error)
    if found.elf.e_type not in (elf.ET_EXEC, elf.ET_DYN):
        raise MinimgError("MINIMG-E003", text(path), "neither a program nor a shared library")
    closure = Closure(path, walk, found.elf)
    if elf_kind(found.elf) in ("static", "static-pie"):
        return closure
    _choose_loader(sysroot, closure)
    if closure.interpreter is None:
        return closure
    settings = Settings(ld_library_path, ld_preload, preload)
    # Only the rules that count are imported: `closure` of one program is mostly its start.
    if closure.is_musl:
        from pants_plugin_minimg.bundler.loader import musl

        run_musl = musl.Resolution(shared, closure, settings)
        run_musl.run()
        for name in extra:
            run_musl.open(name)
        _open_more(closure, run_musl, implicit, opened)
        return closure
    from pants_plugin_minimg.bundler.loader import glibc

    run = glibc.Resolution(shared, closure, _facts(shared, closure), settings)
    run.run()
    for name in extra:
        run.open(name)
    _open_more(closure, run, implicit, opened)
    closure.libgcc = libgcc_trigger(sysroot, closure) if libgcc else trigger
    if closure.libgcc is not None:
        run.open(LIBGCC, closure.libc.path if closure.libc is not None else None)
    return closure


def _open_more(
    closure: Closure,
    opener: Opener,
    implicit: Callable[[Closure, Opener], None] | None,
    opened: Sequence[Opening],
) -> None:
    closure.opener = opener
    for opening in opened:
        for name in opening.names:
            opener.attempt(name, opening.by)
    if implicit is not None:
        implicit(closure, opener)


def libgcc_trigger(sysroot: Sysroot, closure: Closure) -> bytes | None:
    """The imported symbol that will make glibc open libgcc_s; None when none will, or it is there.

    The C library's own uses do not count, since nothing calls them by itself.
    """
    if closure.interpreter is None or closure.is_musl:
        return None
    if any(item.path.endswith(b"/" + LIBGCC) for item in closure.loaded):
        return None
    libc = closure.libc
    if libc is None:
        return None
    shared = context(sysroot)
    for real in [closure.walk.real] + [
        item.walk.real for item in closure.loaded if item.path != libc.path and item.via != "interp"
    ]:
        symbols = shared.symbols(real, LIBGCC_TRIGGERS, defined=False)
        for trigger in LIBGCC_TRIGGERS:
            if trigger in symbols:
                return trigger
    return None


def _regular(sysroot: Sysroot, path: bytes) -> Walk:
    walk = sysroot.walk(path)
    if walk.error == "ELOOP":
        raise MinimgError("MINIMG-E007", text(path), "a chain of links that does not end")
    if walk.error is not None or walk.stat is None:
        detail = "" if walk.error in (None, "ENOENT") else f" ({walk.error})"
        raise MinimgError("MINIMG-E002", text(path), f"no such file{detail}")
    if walk.stat.kind != "file":
        raise MinimgError("MINIMG-E003", text(path), "not a regular file")
    return walk


def _choose_loader(sysroot: Sysroot, closure: Closure) -> None:
    """PT_INTERP; a library names none and gets the loader that this sysroot has for its kind."""
    if closure.elf.interp is not None:
        closure.interpreter = closure.elf.interp
        closure.interp_walk = sysroot.walk(closure.interpreter)
        return
    candidates = default_loaders(closure.elf.header)
    if candidates is None:
        return
    if any(
        name.startswith((b"libc.musl-", b"ld-musl-")) or name == b"libc.so"
        for _, name in closure.elf.needed
    ):
        candidates = (candidates[1], candidates[0])
    for candidate in candidates:
        walk = sysroot.walk(candidate)
        if walk.stat is not None and walk.stat.kind == "file":
            closure.interpreter, closure.interp_walk = candidate, walk
            return
    if closure.elf.needed:
        closure.interpreter, closure.interp_walk = candidates[0], sysroot.walk(candidates[0])


def _facts(shared: Context, closure: Closure) -> LoaderFacts:
    walk = closure.interp_walk
    facts = LoaderFacts((), (0, 0), None)
    if walk is not None and walk.stat is not None and walk.stat.kind == "file":
        facts = shared.facts(walk.real)
    if facts.directories:
        return facts
    closure.warn("the loader's own list of directories could not be read from its binary")
    return LoaderFacts(default_directories(closure.elf.header), facts.version, facts.soname)
