"""From a request to a plan: which programs, files and directories are collected, in which order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pants_plugin_minimg.bundler import architectures, loader
from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.implicit import charsets, hints, languages, nss, sysroot_data
from pants_plugin_minimg.bundler.implicit.openings import Wanted
from pants_plugin_minimg.bundler.plan import FIRST_PARTY, Plan
from pants_plugin_minimg.bundler.planning import (
    completion,
    placement,
    policy,
    presets,
    runtime,
    shipped,
    symbol_versions,
)
from pants_plugin_minimg.bundler.planning.assembly import Assembly
from pants_plugin_minimg.bundler.planning.closure import Options, Programs, Resolver
from pants_plugin_minimg.bundler.planning.request import DEFAULT_PATH, Owned, Request
from pants_plugin_minimg.bundler.preset_names import NSSWITCH
from pants_plugin_minimg.bundler.sysroots import globs
from pants_plugin_minimg.bundler.sysroots.sysroot import OverlaySysroot, Sysroot
from pants_plugin_minimg.bundler.text import path_bytes, text

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler.python.apps import Apps

_MAX_CONFIGURATION = 1 << 20


def build(request: Request, lower: Sysroot, scratch: str, blobs: str) -> Plan:
    """The whole plan of an image, its contents stored in `blobs`.

    `lower` is the sysroot; `scratch` a folder for archives that are unpacked. Raises Problems with
    everything that is wrong.
    """
    placed = placement.place(request, lower, os.fsencode(scratch))
    sysroot = OverlaySysroot(placed.upper, lower)
    assembly = Assembly(
        sysroot,
        placed.files,
        tuple(globs.compile_glob(pattern) for pattern in request.exclude),
        lambda path: f"{request.sysroot.kind}:{text(path)}",
    )
    assembly.problems += placed.problems
    options = _options(request, placed, assembly, lower)
    resolver = Resolver(assembly, options)
    _tell_libraries(placed, sysroot)
    apps = _apps(placed, assembly, resolver.programs, scratch, request.emulator)
    if apps is not None:
        apps.add(request, resolver)
    _add_programs(request, placed, assembly, resolver)
    _add_files(placed, assembly, resolver)
    for pattern in request.include:
        _include(pattern, assembly, resolver)
    for path, owned in request.directories:
        _add_directory(path, owned, assembly)
    _add_data(request, assembly, resolver)
    resolver.finish()
    if apps is not None:
        apps.check()
    presets.add(request.presets, request.user, assembly)
    _check_architecture(request, resolver.programs, assembly)
    _check_versions(resolver.programs, assembly)
    if request.allowed_libraries is not None:
        closures = resolver.programs.closures.values()
        assembly.problems += policy.libraries(request.allowed_libraries, closures)
    if request.hints:
        closures = resolver.programs.closures.values()
        is_there = assembly.entries.__contains__
        assembly.log += hints.lines(sysroot, closures, is_there, request.dlopen)
        assembly.log += languages.lines(sysroot, closures, is_there)
        assembly.log += _bare_pythons(assembly, resolver.programs)
    if assembly.problems:
        raise Problems(assembly.problems + completion.further(request, assembly, blobs))
    packages = shipped.add_records(assembly, lower, request.sysroot.lists, request.package_records)
    completion.stop_at(assembly.problems)
    if apps is not None and request.python_bytecode:
        apps.add_bytecode()
    return completion.complete(
        request,
        options,
        assembly,
        resolver.programs,
        placed,
        [] if apps is None else apps.command(),
        packages,
        blobs,
    )


def _apps(
    placed: placement.Placement,
    assembly: Assembly,
    programs: Programs,
    scratch: str,
    emulator: str,
) -> Apps | None:
    """None without a PEX: then nothing of what Python takes is imported."""
    if not placed.apps:
        return None
    from pants_plugin_minimg.bundler.python.apps import Apps
    from pants_plugin_minimg.bundler.python.running import Runner

    runner = Runner(assembly, programs, scratch, emulator)
    return Apps(placed.apps, placed.python, assembly, programs, runner)


def _bare_pythons(assembly: Assembly, programs: Programs) -> list[str]:
    found = [path for path in programs.closures if path.rpartition(b"/")[2].startswith(b"python3")]
    if not found:
        return []
    from pants_plugin_minimg.bundler.python import interpreter

    is_there = assembly.entries.__contains__
    return list(interpreter.without_library(assembly.sysroot, found, is_there))


def _options(
    request: Request, placed: placement.Placement, assembly: Assembly, lower: Sysroot
) -> Options:
    return Options(
        ld_library_path=path_bytes(request.variable("LD_LIBRARY_PATH") or ""),
        env_path=path_bytes(request.variable("PATH") or DEFAULT_PATH),
        extra_libraries=request.extra_libraries,
        allowed_missing=request.allowed_missing,
        libgcc=request.libgcc,
        wanted=Wanted(request.dlopen, request.nss, _nsswitch(request, placed, assembly)),
        hint=getattr(lower, "hint", lambda path: None),
    )


def _nsswitch(request: Request, placed: placement.Placement, assembly: Assembly) -> bytes | None:
    """The nsswitch.conf that the image will have, known before anything is collected."""
    if NSSWITCH in request.presets:
        return runtime.NAME_SERVICES
    sysroot = assembly.sysroot
    walk = sysroot.walk(nss.CONFIGURATION)
    if walk.stat is None or walk.stat.kind != "file" or assembly.excluded(walk.real):
        return None
    names = {nss.CONFIGURATION, walk.real, *(link for link, _ in walk.links)}
    included = [globs.compile_glob(pattern) for pattern in request.include]
    if names & set(placed.files) or any(globs.matches(p, name) for p in included for name in names):
        with sysroot.open(walk.real) as file:
            return file.read(_MAX_CONFIGURATION)
    return None


def _tell_libraries(placed: placement.Placement, sysroot: Sysroot) -> None:
    """Compilers set the executable bit of shared libraries too: beside others, they are files."""
    for path, file in placed.files.items():
        if file.program and not file.alone and loader.kind(sysroot, path) == "shared":
            placed.files[path] = file._replace(program=False)


def _add_programs(
    request: Request, placed: placement.Placement, assembly: Assembly, resolver: Resolver
) -> None:
    for file in placed.files.values():
        if file.program:
            resolver.program(file.named, f"program built by {file.origin}", "")
    for path in request.executables:
        resolver.program(
            path, "named in `executables`", "Install the package that has it, or correct the path."
        )
    if not resolver.programs.named and not assembly.problems:
        assembly.problems.append(
            MinimgError(
                "MINIMG-E016",
                request.address,
                "the image has no program",
                "Set `binary` or `executables`.",
            )
        )


def _add_files(placed: placement.Placement, assembly: Assembly, resolver: Resolver) -> None:
    """All other files of the build: those beside a program, and those of `files`."""
    for path, file in placed.files.items():
        assembly.links(file.links, path)
        if file.program:
            continue
        if file.role == "program" and assembly.excluded(path, file.named):
            continue
        if file.output.target is not None:
            _add_link(file.named, f"built by {file.origin}", assembly, resolver)
            continue
        walk = assembly.sysroot.walk(path)
        assembly.need(walk, f"built by {file.origin}")
        resolver.companion(path, walk)


def _add_link(path: bytes, reason: str, assembly: Assembly, resolver: Resolver) -> None:
    """A link and what it leads to: a file, or a whole directory."""
    walk = assembly.sysroot.walk(path)
    here = assembly.sysroot.walk(path, follow_last=False)
    assembly.links(here.links, here.real)
    assembly.link(here.real, assembly.sysroot.readlink(here.real), reason)
    if walk.error is not None or walk.stat is None:
        assembly.log.append(f"{text(path)} is a link to nothing ({walk.error}), here as there.")
    elif walk.stat.kind == "dir":
        assembly.links(walk.links, walk.real)
        _add_below(walk.real, f"{reason}, at the end of the link {text(path)}", assembly, resolver)
    elif not assembly.excluded(walk.real):
        assembly.need(walk, f"{reason}, at the end of the link {text(path)}")
        resolver.companion(path, walk)


def _include(pattern: bytes, assembly: Assembly, resolver: Resolver) -> None:
    matched = False
    for path in globs.expand(assembly.sysroot, pattern):
        matched = True
        _add_below(path, f"included by {text(pattern)}", assembly, resolver)
    if not matched:
        assembly.problems.append(
            MinimgError(
                "MINIMG-E009",
                text(pattern),
                "the glob in `include` matches nothing in the sysroot",
                "Correct it, or install the package that has such files.",
            )
        )


def _add_below(path: bytes, reason: str, assembly: Assembly, resolver: Resolver) -> None:
    """A path of the sysroot and, if it is a directory, all that is in it."""
    walk = assembly.sysroot.walk(path, follow_last=False)
    if walk.stat is None or assembly.excluded(path, walk.real):
        return
    entry = assembly.entries.get(walk.real)
    if entry is not None and reason in entry.reasons:
        return  # been here: links may lead round
    if walk.stat.kind == "link":
        _add_link(path, reason, assembly, resolver)
        return
    if walk.real != b"/":
        assembly.need(walk, reason)
    if walk.stat.kind == "dir":
        for name in assembly.sysroot.scandir(walk.real):
            _add_below(globs.join(walk.real, name), reason, assembly, resolver)
    elif walk.stat.kind == "file":
        resolver.companion(path, walk)


def _add_directory(path: bytes, owned: Owned, assembly: Assembly) -> None:
    try:
        real, links = placement.canonical(assembly.sysroot, path)
    except MinimgError as error:
        assembly.problems.append(error)
        return
    walk = assembly.sysroot.walk(real)
    assembly.links((*links, *walk.links), real)
    if walk.links:
        real = walk.real
    assembly.directory(real, owned, "named in `directories`")
    assembly.entries[real].layer = FIRST_PARTY


def _add_data(request: Request, assembly: Assembly, resolver: Resolver) -> None:
    """What presets and the environment ask for, of the sysroot's own files."""
    data = sysroot_data.find(request.presets, dict(request.env), assembly.sysroot)
    found = charsets.find(
        request.presets,
        dict(request.env),
        list(resolver.programs.closures.values()),
        assembly.sysroot,
        assembly.entries.__contains__,
    )
    assembly.problems += data.problems + found.problems
    assembly.log += data.log + found.log
    for path, reason in data.paths + found.folders:
        _add_below(path, reason, assembly, resolver)


def _check_versions(programs: Programs, assembly: Assembly) -> None:
    """What each program was linked against must be in the libraries that it will find."""
    for closure in programs.closures.values():
        problems, warnings = symbol_versions.check(assembly.sysroot, closure)
        assembly.problems += problems
        assembly.log += warnings


def _check_architecture(request: Request, programs: Programs, assembly: Assembly) -> None:
    """One image is for one platform, and so is every ELF file in it that the loader would touch."""
    wanted = request.sysroot.architecture
    seen: dict[tuple[str, ...], bytes] = {}
    for path, header in programs.elves.items():
        try:
            platform = tuple(filter(None, elf.platform(header)))
            seen.setdefault(platform, path)
            if wanted is not None and platform != architectures.PLATFORMS[wanted]:
                assembly.problems.append(_other_architecture(path, platform, wanted))
        except elf.ElfError as error:
            assembly.problems.append(
                MinimgError("MINIMG-E008", text(path), str(error), "Build it for another machine.")
            )
    if len(seen) > 1:
        listing = ", ".join(f"{text(path)} is {'/'.join(key)}" for key, path in seen.items())
        assembly.problems.append(
            MinimgError(
                "MINIMG-E008",
                next(iter(assembly.entries.values())).origin,
                f"programs of different architectures in one image: {listing}",
                "Make one image for each architecture.",
            )
        )


def _other_architecture(path: bytes, platform: tuple[str, ...], wanted: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E008",
        text(path),
        f"it is {'/'.join(platform)}, and the sysroot is taken for {wanted}",
        "Build it for that architecture, or set `architecture` to its own.",
    )
