"""A suite on one mirror: its verified Release and the package indexes that this names."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pants_plugin_minimg.bundler.debian import download, mirrors, release, signature
from pants_plugin_minimg.bundler.debian.download import Patience, Unavailable
from pants_plugin_minimg.bundler.debian.mirrors import Mirror
from pants_plugin_minimg.bundler.debian.release import File, Release

_MAX_RELEASE = 16 << 20
_MAX_INDEX = 1 << 30  # an index that does not say its size; Debian's largest has 50 MB


@dataclass(frozen=True)
class Trust:
    """How signatures are checked, and when.

    `keyrings` None: those of the machine's source; without one, the machine's archive keyrings.
    """

    gpgv: str | None
    keyrings: tuple[str, ...] | None
    now: datetime.datetime


@dataclass(frozen=True)
class Suite:
    """`indexes`: architecture -> the bytes of its `Packages` files, in a fixed order."""

    name: str
    release: Release
    indexes: Mapping[str, tuple[bytes, ...]]


def fetch_release(mirror: Mirror, suite: str, trust: Trust, patience: Patience) -> Release:
    """Raises Unavailable, and MinimgError MINIMG-E025."""
    url = mirrors.url(mirror.url, f"dists/{suite}/InRelease")
    content = download.get(url, _MAX_RELEASE, patience)
    source = mirror.source
    keys = ""
    if trust.keyrings is not None:
        rings: Sequence[str] = trust.keyrings
    elif source is not None and (source.keyrings or source.keys):
        rings, keys = source.keyrings, source.keys
    elif source is not None:
        rings = signature.apt_keyrings()
    else:
        rings = signature.default_keyrings()
    text = signature.verified(content, url, trust.gpgv, rings, keys)
    found = release.parse(text, url)
    release.check(found, suite, url, trust.now, allow_expired=mirror.snapshot)
    return found


def fetch_indexes(
    mirror: Mirror,
    suite: str,
    found: Release,
    components: Sequence[str],
    architecture: str,
    patience: Patience,
) -> tuple[bytes, ...]:
    """Raises Unavailable: the archive has no such component or architecture, or a file is wrong."""
    paths = [
        _forms(found, f"{component}/binary-{folder}/Packages")[0]
        for component in components
        for folder in _folders(found, component, architecture)
    ]
    return tuple(_index(mirror, f"dists/{suite}", path, found, patience) for path in paths)


def stanzas(index: bytes) -> list[bytes]:
    """The paragraphs of an index, as they are."""
    return [stanza for stanza in index.split(b"\n\n") if stanza.strip()]


def _folders(found: Release, component: str, architecture: str) -> list[str]:
    """Packages for all architectures lie in an index of their own only where the Release says."""
    if architecture not in found.architectures:
        raise Unavailable(f"it has no architecture {architecture}")
    both = [architecture, "all"] if found.all_is_apart else [architecture]
    kept = [name for name in both if _forms(found, f"{component}/binary-{name}/Packages")]
    if architecture not in kept:
        raise Unavailable(f"it has no component {component} for {architecture}")
    return kept


def _forms(found: Release, path: str) -> list[str]:
    """The files with the content of `path` that we can read, the smallest first."""
    return [path + end for end in _readers() if path + end in found.files]


def _index(mirror: Mirror, base: str, path: str, found: Release, patience: Patience) -> bytes:
    file = found.files[path]
    content = _download(mirror, base, path, file, found.by_hash, patience)
    plain, _, end = path.rpartition(".")
    reader = _readers().get(f".{end}")
    if reader is None:
        return content
    limit = found.files[plain].size if plain in found.files else _MAX_INDEX
    try:
        out = reader(content, limit)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Unavailable(f"{path} is damaged ({error})") from None
    if len(out) > limit:
        raise Unavailable(f"{path} unpacks to more than {limit} bytes")
    return out


def _download(
    mirror: Mirror, base: str, path: str, file: File, by_hash: bool, patience: Patience
) -> bytes:
    """By hash where offered: there the file stays while a mirror is being updated."""
    names = [path]
    if by_hash:
        names.insert(0, f"{path.rpartition('/')[0]}/by-hash/SHA256/{file.sha256}")
    for name in names:
        try:
            content = download.get(mirrors.url(mirror.url, f"{base}/{name}"), file.size, patience)
        except Unavailable as error:
            if error.absent and name != names[-1]:
                continue
            raise Unavailable(f"{name}: {error}") from None
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            raise Unavailable(f"{name}: it is not what the Release file says")
        return content
    raise AssertionError


def _readers() -> dict[str, Callable[[bytes, int], bytes]]:
    """Ending -> decompression. A Python may have been built without lzma."""
    out: dict[str, Callable[[bytes, int], bytes]] = {}
    try:
        import lzma
    except ImportError:
        pass
    else:

        def xz(content: bytes, limit: int) -> bytes:
            try:
                with lzma.open(io.BytesIO(content)) as file:
                    return file.read(limit + 1)
            except lzma.LZMAError as error:
                raise ValueError(str(error)) from None

        out[".xz"] = xz

    def gz(content: bytes, limit: int) -> bytes:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(limit + 1)

    out[".gz"] = gz
    out[""] = lambda content, limit: content[: limit + 1]
    return out
