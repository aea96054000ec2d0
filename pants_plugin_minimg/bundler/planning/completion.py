"""From collected entries to a plan that is whole: contents, layers, a cache file, the checks."""

from __future__ import annotations

import os
from typing import Any

from pants_plugin_minimg.bundler import contents, loader
from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.loader import cachefile
from pants_plugin_minimg.bundler.plan import BASE, SYSTEM, Entry, Plan, order
from pants_plugin_minimg.bundler.planning import checks, credentials
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.closure import Options, Programs
from pants_plugin_minimg.bundler.planning.placement import Placement
from pants_plugin_minimg.bundler.planning.request import Request
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot, TreeSysroot
from pants_plugin_minimg.bundler.text import text

_CACHE = b"/etc/ld.so.cache"
_LIBC = b"libc.so.6"


def stop_at(problems: list[MinimgError]) -> None:
    if problems:
        raise Problems(problems)


def complete(
    request: Request,
    options: Options,
    assembly: Assembly,
    programs: Programs,
    placed: Placement,
    command: list[str],
    packages: list[dict[str, Any]],
    blobs: str,
) -> Plan:
    """The plan, its contents stored in `blobs`.

    `command` is what the container starts unless the image says otherwise; empty: its program.
    Raises Problems with all that the checks found.
    """
    assembly.keep_left_directories()
    _assign_base(assembly, programs)
    _store(request, assembly, blobs)
    image = _image_view(assembly, blobs)
    differing = _differences(options, programs, image)
    if _write_cache(assembly, programs, differing, image, blobs):
        differing = _differences(options, programs, image)
    problems = list(checks.paths(assembly.entries))
    process = list(request.entrypoint) or command or _default_entrypoint(request, placed, problems)
    problems += checks.entrypoint(request, process or list(request.cmd), image)
    problems += checks.healthcheck(request, image)
    problems += checks.user(request, image)
    problems += credentials.check(assembly.entries, blobs, request.allowed_secrets)
    problems += differing.values()
    stop_at(problems)
    entries = sorted(assembly.entries.values(), key=order)
    _share_hard_links(assembly, entries)
    return Plan(
        platform=_platform(programs),
        entries=entries,
        programs=list(programs.named),
        loaded={text(path): programs.loaded(path) for path in programs.closures},
        entrypoint=process,
        packages=packages,
        pack=_packable(assembly, programs) if request.pack else {},
        log=list(dict.fromkeys(assembly.log)),
    )


def further(request: Request, assembly: Assembly, blobs: str) -> list[MinimgError]:
    """What else is wrong with an image that has problems already, so that one report has it all.

    The entrypoint is left out: its program may be what the problems are about.
    """
    assembly.keep_left_directories()
    try:
        _store(request, assembly, blobs)
    except MinimgError as error:
        return [error]
    return [
        *checks.paths(assembly.entries),
        *checks.user(request, _image_view(assembly, blobs)),
        *credentials.check(assembly.entries, blobs, request.allowed_secrets),
    ]


def _store(request: Request, assembly: Assembly, blobs: str) -> None:
    entries = list(assembly.entries.values())
    contents.store(assembly.sysroot, entries, assembly.generated, blobs, copy=not request.link)


def _platform(programs: Programs) -> dict[str, str]:
    for header in programs.elves.values():
        system, architecture, variant = elf.platform(header)
        out = {"os": system, "architecture": architecture}
        return out if variant is None else {**out, "variant": variant}
    raise MinimgError("MINIMG-E016", "/", "no ELF program is in the image", "Name one.")


def _default_entrypoint(
    request: Request, placed: Placement, problems: list[MinimgError]
) -> list[str]:
    """The program of `binary`; without one, the only program. Several leave it to `entrypoint`."""
    if request.cmd and not any(file.primary for file in placed.files.values()):
        return []
    built = [file for file in placed.files.values() if file.program]
    candidates = [file.named for file in built if file.primary] or [
        *(file.named for file in built),
        *request.executables,
    ]
    if len(candidates) == 1:
        return [text(candidates[0])]
    names = ", ".join(text(path) for path in candidates)
    problems.append(
        MinimgError(
            "MINIMG-E014",
            request.address,
            f"it is not clear which program the container starts: {names}",
            f'Set `entrypoint`, as in `entrypoint=["{text(candidates[0])}"]`.',
        )
    )
    return []


def _assign_base(assembly: Assembly, programs: Programs) -> None:
    """Move the loader, the C library's file and the links to them into the lowest layer.

    The set follows from the sysroot alone, whichever way a program found the library: the links
    are those on the way from the interpreter's standard path and from the first system directory.
    """
    for closure in programs.closures.values():
        assert closure.interp_walk is not None
        walks = [closure.interp_walk]
        if not closure.is_musl:
            library = next((item for item in closure.loaded if item.name == _LIBC), None)
            if library is None or library.via not in ("system", "cache"):
                continue  # not the sysroot's own: no part of the common layer
            walks.append(library.walk)
        for walk in walks:
            for path in [walk.real, *(link for link, _ in walk.links)]:
                entry = assembly.entries[path]
                if entry.layer == SYSTEM:
                    entry.layer = BASE


def _share_hard_links(assembly: Assembly, entries: list[Entry]) -> None:
    """Files that are one file in the sysroot stay one: the loader tells copies apart by inode."""
    first: dict[tuple[int, int, int], Entry] = {}
    for entry in entries:
        stat = assembly.stats.get(entry.path)
        if entry.kind != "file" or stat is None:
            continue
        one = first.setdefault((entry.layer, stat.dev, stat.ino), entry)
        if one is not entry and one.content == entry.content:
            entry.kind, entry.target, entry.content, entry.size = "hardlink", one.path, None, 0


def _image_view(assembly: Assembly, blobs: str) -> TreeSysroot:
    """The finished tree, with nothing behind it."""
    image = TreeSysroot()
    for entry in assembly.entries.values():
        if entry.kind == "file":
            assert entry.content is not None
            blob = contents.path_of(blobs, entry.content)
            image.add_file(entry.path, os.fsencode(blob), entry.mode)
        elif entry.kind == "link":
            assert entry.target is not None
            image.add_link(entry.path, entry.target)
        else:
            image.add_dir(entry.path, entry.mode)
    return image


def _differences(
    options: Options, programs: Programs, image: Sysroot
) -> dict[tuple[bytes, bytes], MinimgError]:
    """What the loader would find otherwise in the finished tree, by program and library name."""
    out = {}
    for path, closure in programs.closures.items():
        again = loader.resolve(
            image,
            closure.program,
            ld_library_path=options.ld_library_path,
            extra=options.extra_libraries,
            # Of the same files: they need not be read again.
            opened=closure.opened,
            trigger=closure.libgcc,
        )
        after = {loaded.name: loaded.walk.real for loaded in again.loaded}
        for loaded in closure.loaded:
            found = after.get(loaded.name)
            if found != loaded.walk.real:
                there = "not at all" if found is None else f"as {text(found)}"
                out[path, loaded.name] = MinimgError(
                    "MINIMG-E004",
                    text(loaded.name),
                    f"{text(path)} finds it as {text(loaded.walk.real)} in the sysroot, and in "
                    f"the image {there}",
                    "Name its directory in `env` as LD_LIBRARY_PATH.",
                )
    return out


def _write_cache(
    assembly: Assembly,
    programs: Programs,
    differing: dict[tuple[bytes, bytes], MinimgError],
    image: TreeSysroot,
    blobs: str,
) -> bool:
    """Put an ld.so.cache into the image if some libraries can be found through one alone."""
    noted: dict[bytes, bytes] = {}
    header = None
    for path, name in differing:
        closure = programs.closures[path]
        for loaded in closure.loaded:
            if loaded.name == name and loaded.via == "cache":
                noted[name], header = loaded.path, closure.elf.header
    if header is None or _CACHE in assembly.entries:
        return False
    content, size = contents.put(cachefile.render(noted, header), blobs)
    listing = ", ".join(sorted(text(name) for name in noted))
    assembly.entries[_CACHE] = Entry(
        _CACHE,
        "file",
        0o644,
        size=size,
        content=content,
        origin="generated",
        reasons=[f"the loader finds {listing} through it alone"],
    )
    image.add_file(_CACHE, os.fsencode(os.path.join(blobs, content)), 0o644)
    return True


def _packable(assembly: Assembly, programs: Programs) -> dict[str, bytes]:
    """Contents of ELF programs that nothing loads as a library or as the loader, and one path."""
    as_library = {
        walk.real
        for closure in programs.closures.values()
        for walk in [closure.interp_walk, *(loaded.walk for loaded in closure.loaded)]
        if walk is not None
    }
    kept = {assembly.entries[path].content for path in as_library if path in assembly.entries}
    out: dict[str, bytes] = {}
    for path in programs.named:
        entry = assembly.entries[path]
        if path in programs.elves and entry.content and entry.content not in kept:
            out.setdefault(entry.content, path)
    return out
