"""A `debian_sysroot` for one image: its lock, the packages in scope, fetched and unpacked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants.engine.fs import CreateDigest, Digest, DownloadFile, FileDigest, FileEntry
from pants.engine.target import HydrateSourcesRequest, Target
from pants.util.docutil import bin_name

from pants_plugin_minimg import engine, sysroot_targets
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError, process, run_all
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.util_rules.closure import document, read_json
from pants_plugin_minimg.util_rules.progress import place

APT = "/etc/apt"


@dataclass(frozen=True)
class Locked:
    """A package of the lock, as `scope` tells of it."""

    name: str
    version: str
    path: str
    urls: tuple[str, ...]
    digest: FileDigest
    limit: int

    @property
    def file(self) -> str:
        """Its name alone, by which a problem with it is told."""
        return self.path.rpartition("/")[2]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Locked:
        return cls(
            raw["name"],
            raw["version"],
            raw["path"],
            tuple(raw["urls"]),
            FileDigest(raw["sha256"], raw["size"]),
            raw["limit"],
        )


@dataclass(frozen=True)
class Packages:
    """Unpacked packages, each below `packages/<name>` of its digest."""

    folders: tuple[str, ...]
    digests: tuple[Digest, ...]


def lock_command(target: Target) -> str:
    return f"{bin_name()} generate-lockfiles --resolve={sysroot_targets.resolve_name(target)}"


def apt_state(folder: str) -> str:
    """What changes whenever the apt sources of the machine do.

    They say where bytes are fetched, never which bytes: a state that pantsd remembers for too long
    costs a download at worst.
    """
    parts = os.path.join(folder, "sources.list.d")
    names = sorted(os.listdir(parts)) if os.path.isdir(parts) else []
    digest = hashlib.sha256()
    for path in [os.path.join(folder, "sources.list"), *(os.path.join(parts, n) for n in names)]:
        try:
            status = os.stat(path)
        except OSError:
            continue
        digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


async def locked_packages(
    bundler: Bundler,
    target: Target,
    options: DebianSubsystem,
    roots: Sequence[str],
    architecture: str,
    command: str,
) -> tuple[Locked, ...]:
    """What `roots` reach; without any, all of the lock.

    Raises BundlerError MINIMG-E023 or MINIMG-E024.
    """
    field = target[sysroot_targets.LockfileField]
    (sources,) = await engine.hydrate_all([HydrateSourcesRequest(field)])
    if not sources.snapshot.files:
        raise BundlerError(
            str(
                MinimgError(
                    "MINIMG-E023",
                    str(target.address),
                    f"there is no lock {field.file_path}",
                    f"Run `{command}`.",
                )
            )
        )
    mirrors = list(options.mirrors)
    request = {
        "version": 1,
        "sysroot": str(target.address),
        "lockfile": field.file_path,
        "command": command,
        **sysroot_targets.asked_for(target),
        "roots": [*roots, *sysroot_targets.ALWAYS] if roots else [],
        "architecture": architecture,
        "mirrors": mirrors,
        "apt": None if mirrors else APT,
        "apt_state": None if mirrors else apt_state(APT),
    }
    asked = await engine.create_digests((CreateDigest([document("request.json", request)]),))
    inputs = await engine.merge_all((*asked, sources.snapshot.digest))
    outputs = await run_all(
        [
            process(
                bundler,
                (
                    "scope",
                    f"--lock={field.file_path}",
                    "--request=request.json",
                    "--out=scope.json",
                ),
                description=f"Read {field.file_path}",
                inputs=inputs,
                output_files=("scope.json",),
            )
        ]
    )
    entries = await engine.digest_entries_all(outputs)
    (found,) = await read_json([entry for entry in entries[0] if isinstance(entry, FileEntry)])
    return tuple(map(Locked.from_json, found["packages"]))


async def fetch(packages: Sequence[Locked], address: str, command: str) -> None:
    """Bring the packages into the store. Raises BundlerError MINIMG-E024 with all that failed."""
    try:
        await engine.download_all(
            [DownloadFile(package.urls[0], package.digest) for package in packages]
        )
    except Exception:
        # One of them failed and does not say which. Those that did not are not fetched again.
        await _fetch_from_any(packages, address, command)


async def _fetch_from_any(packages: Sequence[Locked], address: str, command: str) -> None:
    """Mirror after mirror, each for all packages that the ones before it did not have."""
    failures: dict[Locked, list[str]] = {package: [] for package in packages}
    left = list(packages)
    for number in range(max(len(package.urls) for package in packages)):
        asked = [package for package in left if number < len(package.urls)]
        ended = await engine.attempt_downloads(
            [DownloadFile(package.urls[number], package.digest) for package in asked]
        )
        for package, attempted in zip(asked, ended):
            if attempted.failure is None:
                left.remove(package)
            else:
                failures[package].append(attempted.failure)
    if left:
        raise BundlerError(
            str(Problems([_no_mirror(p, failures[p], address, command) for p in left]))
        )


def _no_mirror(package: Locked, failures: Sequence[str], address: str, command: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E024",
        address,
        f"no mirror has {package.path}: {'; '.join(failures)}",
        f"If it has left the archive, write the lock again by `{command}`, or add a mirror that "
        "keeps every version to `[minimg-debian].mirrors`.",
    )


def _unpacking(package: Locked, number: int, count: int) -> str:
    how_far = place(number, count, shown(package.digest.serialized_bytes_length))
    return f"Unpack {package.name} {package.version} ({how_far})"


async def unpack(bundler: Bundler, packages: Sequence[Locked]) -> Packages:
    """One process a package, whatever the number of images."""
    folders = tuple(f"packages/{package.name}" for package in packages)
    inputs = await engine.create_digests(
        [CreateDigest([FileEntry(package.file, package.digest)]) for package in packages]
    )
    outputs = await run_all(
        [
            process(
                bundler,
                (
                    "unpack",
                    f"--deb={package.file}",
                    f"--sha256={package.digest.fingerprint}",
                    f"--size={package.digest.serialized_bytes_length}",
                    f"--limit={package.limit}",
                    f"--out={folder}",
                ),
                description=_unpacking(package, number, len(packages)),
                inputs=digest,
                output_directories=(folder,),
            )
            for number, (package, folder, digest) in enumerate(zip(packages, folders, inputs), 1)
        ]
    )
    return Packages(folders, outputs)
