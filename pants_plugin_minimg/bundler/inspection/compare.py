"""What two images differ in: paths, modes, owners, the config, bytes on disk and on the wire."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import Problems
from pants_plugin_minimg.bundler.inspection import bareimage
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.text import text
from pants_plugin_minimg.bundler.verification import documents, tree

_LIMIT = 64 << 30


@dataclass(frozen=True)
class Image:
    """An image of ours as it is in its tar or layout. Sizes in bytes.

    `platform` is `linux/amd64`; `reasons` are a plan's, of the paths that it gives some.
    """

    digest: str
    platform: str
    config: Mapping[str, Any]
    entries: Mapping[bytes, Entry]
    wire: int
    reasons: Mapping[bytes, Sequence[str]] = field(default_factory=dict)

    @property
    def disk(self) -> int:
        return sum(entry.size for entry in self.entries.values())


#: What there was before an image that is new.
NOTHING = Image("", "", {}, {}, 0)


@dataclass(frozen=True)
class Change:
    """`kind` is added, removed, changed or moved (only mode, owner or target); `grown` in bytes.

    `reasons` say why the path is, or was, in the image.
    """

    path: bytes
    kind: str
    grown: int
    detail: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """`old` or `new` is NOTHING where the other side alone has such an image.

    `title` says what is compared; it may be empty.
    """

    title: str
    old: Image
    new: Image

    @property
    def same(self) -> bool:
        return self.old.digest == self.new.digest or not (
            changes(self.old, self.new) or config_changes(self.old, self.new)
        )


def load(path: str, scratch: str) -> list[Image]:
    """An image, or those of an index of platforms. `path` is a tar, the folder of an OCI layout, or
    `FOLDER@sha256:…`: a manifest or an index of which the folder holds the blobs alone.

    Raises MinimgError MINIMG-E001, and Problems for what is no whole image of ours.
    """
    folder, at, digest = path.rpartition("@")
    if at and digest.startswith("sha256:"):
        path = os.path.join(scratch, "bare.tar")
        bareimage.write(folder, digest, path)
    archive = documents.opened(path, scratch)
    found, problems = documents.read(archive)
    problems = [*archive.problems, *problems]
    if found is None or problems:
        raise Problems(problems)
    images = []
    for number, image in enumerate(found.images):
        folder = os.path.join(scratch, str(number))
        os.mkdir(folder)
        made, problems = tree.read(image.layers, image.created, _LIMIT, folder)
        if problems:
            raise Problems(problems)
        wire = sum(layer.blob.seek(0, 2) for layer in image.layers)
        platform = "/".join(image.platform.values())
        images.append(Image(image.manifest, platform, image.config, made.entries(), wire))
    return images


def explained(images: Sequence[Image], plans: Sequence[str]) -> list[Image]:
    """With the reasons of the plan.json that each was made of; none may be there for one.

    Raises MinimgError MINIMG-E001.
    """
    reasons = {}
    for path in plans:
        raw = jsonfile.load(path)
        with jsonfile.reading(path):
            entries = [Entry.from_json(entry) for entry in raw["entries"]]
            platform = "/".join(oci.platform(raw["platform"]).values())
        reasons[platform] = {entry.path: entry.reasons for entry in entries}
    return [replace(image, reasons=reasons.get(image.platform, {})) for image in images]


def pairs(title: str, old: Sequence[Image], new: Sequence[Image]) -> list[Comparison]:
    """Each image with that of its platform; two that are alone with each other whatever theirs."""
    if len(old) == len(new) == 1:
        return [Comparison(title, old[0], new[0])]
    before = {image.platform: image for image in old}
    after = {image.platform: image for image in new}
    titles = {name: f"{title} for {name}" if title else name for name in {**before, **after}}
    if len(titles) == 1:
        titles = dict.fromkeys(titles, title)
    return [
        Comparison(titles[name], before.get(name, NOTHING), after.get(name, NOTHING))
        for name in {**after, **before}
    ]


def changes(old: Image, new: Image) -> list[Change]:
    """The largest first."""
    found = [
        *(
            Change(path, "added", e.size, reasons=_reasons(new, path))
            for path, e in new.entries.items()
            if path not in old.entries
        ),
        *(
            Change(path, "removed", -e.size, reasons=_reasons(old, path))
            for path, e in old.entries.items()
            if path not in new.entries
        ),
    ]
    for path, entry in new.entries.items():
        before = old.entries.get(path)
        if before is None:
            continue
        detail = _detail(before, entry)
        reasons = _reasons(new, path)
        if (before.kind, before.content) != (entry.kind, entry.content):
            found.append(Change(path, "changed", entry.size - before.size, detail, reasons))
        elif detail:
            found.append(Change(path, "moved", 0, detail, reasons))
    return sorted(found, key=lambda change: (-abs(change.grown), change.path))


def _reasons(image: Image, path: bytes) -> tuple[str, ...]:
    return tuple(image.reasons.get(path, ()))


def _detail(before: Entry, after: Entry) -> str:
    told = []
    if before.kind != after.kind:
        told.append(f"{before.kind} to {after.kind}")
    if before.mode != after.mode:
        told.append(f"mode {before.mode:04o} to {after.mode:04o}")
    if (before.uid, before.gid) != (after.uid, after.gid):
        told.append(f"owner {before.uid}:{before.gid} to {after.uid}:{after.gid}")
    if before.target != after.target:
        told.append(f"target {text(before.target or b'')} to {text(after.target or b'')}")
    return ", ".join(told)


def config_changes(old: Image, new: Image) -> list[tuple[str, Any, Any]]:
    """Name, old value and new value; None where there is none."""
    before, after = _flat(old.config), _flat(new.config)
    return [
        (name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the container sees: each variable and label by itself, and no digest of a layer."""
    raw = dict(config.get("config") or {})
    env = dict(pair.partition("=")[::2] for pair in raw.pop("Env", None) or ())
    labels = raw.pop("Labels", None) or {}
    platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
    return {
        **platform,
        **raw,
        **{f"Env {name}": value for name, value in env.items()},
        **{f"Label {name}": value for name, value in labels.items()},
    }
