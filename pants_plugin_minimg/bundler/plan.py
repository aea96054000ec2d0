"""The plan of an image: every path in it, what is there and why.

This is the boundary. Everything before it finds out what belongs into the image; everything after
it (UPX, layers, image, report) only renders it. A plan is checked as a whole before it is written.
"""

from __future__ import annotations

from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.text import path_bytes, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1

#: Layers, lowest first. The first depends on the sysroot and its architecture alone.
BASE, SYSTEM, FIRST_PARTY = 1, 2, 3


class Entry:
    """One path of the image.

    `path` is canonical: no component before the last is a link. `content` is the SHA-256 of a
    file's bytes in hex, before any packing. `target` is a link's text as it stands, or the
    canonical path that a hard link shares its file with.
    """

    def __init__(
        self,
        path: bytes,
        kind: str,  # "file", "link", "hardlink" or "dir"
        mode: int = 0,
        uid: int = 0,
        gid: int = 0,
        size: int = 0,
        content: str | None = None,
        target: bytes | None = None,
        layer: int = FIRST_PARTY,
        origin: str = "",
        reasons: list[str] | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.content = content
        self.target = target
        self.layer = layer
        self.origin = origin
        self.reasons = [] if reasons is None else reasons

    def projected(self) -> dict[str, Any]:
        """What the bytes of a layer depend on, and nothing else."""
        out: dict[str, Any] = {
            "path": text(self.path),
            "kind": self.kind,
            "mode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
        }
        if self.content is not None:
            out["content"] = self.content
        if self.target is not None:
            out["target"] = text(self.target)
        return out

    def to_json(self) -> dict[str, Any]:
        return {
            **self.projected(),
            "size": self.size,
            "layer": self.layer,
            "origin": self.origin,
            "reasons": self.reasons,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Entry:
        target = raw.get("target")
        return cls(
            path=path_bytes(raw["path"]),
            kind=raw["kind"],
            mode=raw["mode"],
            uid=raw["uid"],
            gid=raw["gid"],
            size=raw.get("size", 0),
            content=raw.get("content"),
            target=None if target is None else path_bytes(target),
            layer=raw.get("layer", FIRST_PARTY),
            origin=raw.get("origin", ""),
            reasons=list(raw.get("reasons", ())),
        )


class Plan(NamedTuple):
    """A whole image. Parent directories that no entry names are implied: 0755, owned by root.

    `programs` are canonical paths in the order they were asked for. `loaded` says of each that is
    linked dynamically which interpreter it names and under which names it finds which files; it
    holds what a packed program no longer tells. `packages` are those that the sysroot's files are
    of, as debian/records.py has them. `pack` are contents that UPX may take.
    """

    platform: dict[str, str]
    entries: list[Entry]
    programs: list[bytes]
    loaded: dict[str, Any]
    entrypoint: list[str]
    packages: list[dict[str, Any]]
    pack: dict[str, bytes]
    log: list[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "platform": self.platform,
            "entries": [entry.to_json() for entry in self.entries],
            "programs": [text(path) for path in self.programs],
            "loaded": self.loaded,
            "entrypoint": self.entrypoint,
            "packages": self.packages,
            "log": self.log,
        }

    def layers(self) -> dict[int, list[Entry]]:
        """The entries of each layer that is not empty, with the directories that lead to them."""
        return layers(self.entries)


def layers(entries: list[Entry]) -> dict[int, list[Entry]]:
    """The entries of each layer that is not empty, with the directories that lead to them."""
    explicit = {entry.path: entry for entry in entries if entry.kind == "dir"}
    found: dict[int, dict[bytes, Entry]] = {}
    for entry in entries:
        layer = found.setdefault(entry.layer, {})
        layer[entry.path] = entry
        for parent in parents(entry.path):
            layer.setdefault(parent, explicit.get(parent) or Entry(parent, "dir", 0o755))
    return {number: sorted(layer.values(), key=order) for number, layer in sorted(found.items())}


def parents(path: bytes) -> list[bytes]:
    """The directories above a path, the root apart, the outermost first."""
    components = path.split(b"/")[1:-1]
    return [b"/" + b"/".join(components[: index + 1]) for index in range(len(components))]


def order(entry: Entry) -> list[bytes]:
    """Sorts a directory before what is in it."""
    return entry.path.split(b"/")


def projection(entries: list[Entry]) -> dict[str, Any]:
    """A layer as its process sees it."""
    return {"version": VERSION, "entries": [entry.projected() for entry in entries]}


def steps(plan: Plan) -> dict[str, Any]:
    """What the build runs next, for whoever drives it: layers and their contents, what to pack.

    A layer's `size` is that of `blobs`, in bytes.
    """
    layers = []
    for number, entries in plan.layers().items():
        sizes = {entry.content: entry.size for entry in entries if entry.content is not None}
        blobs = sorted(content for content in sizes if content not in plan.pack)
        layers.append(
            {
                "projection": f"layers/{number}.json",
                "blobs": blobs,
                "packed": sorted(content for content in sizes if content in plan.pack),
                "size": sum(sizes[content] for content in blobs),
            }
        )
    return {
        "version": VERSION,
        "platform": plan.platform,
        "layers": layers,
        "pack": [
            {"content": content, "path": text(path)} for content, path in sorted(plan.pack.items())
        ],
        "entrypoint": plan.entrypoint,
        "log": plan.log,
    }
