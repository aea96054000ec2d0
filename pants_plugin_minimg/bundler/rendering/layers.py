"""A layer: the tar of a projection of the plan, compressed, with its digests.

The bytes depend on the projection, the contents and the time stamp. Nothing else reaches them: no
name, no date, no owner or mode of the files that the contents are read from.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.contents import changed, open_link
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.plan import Entry, order, parents
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.rendering import oci, tarstream
from pants_plugin_minimg.bundler.rendering.gzipstream import PIECE, Gzip, Pieces
from pants_plugin_minimg.bundler.text import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_KINDS = {
    "file": tarstream.FILE,
    "hardlink": tarstream.HARD_LINK,
    "link": tarstream.LINK,
    "dir": tarstream.DIRECTORY,
}


class Contents(NamedTuple):
    """Where files' bytes are, by the SHA-256 of the plain file: packed ones come before plain.

    Among the plain there may be links to files of this machine.
    """

    plain: str
    packed: str

    def open(self, sha: str) -> tuple[BinaryIO, bool]:
        """The bytes, and whether they are the plain ones.

        Raises MinimgError MINIMG-E001, and MINIMG-E022 for a file of this machine that has gone.
        """
        for folder, is_plain in ((self.packed, False), (self.plain, True)):
            path = os.path.join(folder, sha)
            if folder and os.path.islink(path):
                return open_link(path), is_plain
            if folder and os.path.lexists(path):
                with jsonfile.reading(path):
                    return open(path, "rb"), is_plain
        raise MinimgError(
            "MINIMG-E001", sha, "the layer's inputs do not hold the content of this SHA-256"
        )

    def wrong(self, entry: Entry) -> MinimgError:
        """What is to be said of bytes that do not have their SHA-256."""
        path = os.path.join(self.plain, entry.content or "")
        if os.path.islink(path):
            return changed(os.readlink(path))
        return MinimgError(
            "MINIMG-E001", text(entry.path), f"its bytes are not those of {entry.content}"
        )


def load(path: str) -> list[Entry]:
    """The entries of a projection, in the order in which a layer holds them.

    Hard links come after everything else: a reader has to have met the file that they name.
    Raises MinimgError MINIMG-E001, or Problems with all that is wrong with single entries.
    """
    raw = jsonfile.load(path)
    with jsonfile.reading(path):
        entries = [Entry.from_json(entry) for entry in raw["entries"]]
        entries.sort(key=position)
        wrong = list(problems(entries))
    if wrong:
        raise Problems(wrong)
    return entries


def position(entry: Entry) -> tuple[bool, list[bytes]]:
    """Sorts the entries of a layer as its tar has them."""
    return entry.kind == "hardlink", order(entry)


def problems(entries: list[Entry]) -> Iterator[MinimgError]:
    """What would make a tar that readers disagree about."""
    seen: dict[bytes, Entry] = {}
    for entry in entries:
        name = text(entry.path)
        if entry.path in seen:
            yield MinimgError("MINIMG-E011", name, "the layer has two entries of this path")
        seen.setdefault(entry.path, entry)
        wrong = _wrong(entry)
        if wrong:
            yield MinimgError("MINIMG-E013", name, wrong)
        for parent in parents(entry.path):
            if parent not in seen:
                yield MinimgError("MINIMG-E001", name, f"the layer does not hold {text(parent)}")
            elif seen[parent].kind != "dir":
                yield MinimgError("MINIMG-E012", name, f"{text(parent)} is not a directory")
        if entry.kind == "hardlink":
            target = seen.get(entry.target or b"")
            if target is None or target.kind != "file":
                yield MinimgError("MINIMG-E001", name, "its hard link names no file of this layer")


def _wrong(entry: Entry) -> str | None:
    path, target = entry.path, entry.target
    components = path.split(b"/")
    if entry.kind not in _KINDS:
        return f"an entry cannot be a {entry.kind!r}"
    if components[0] or len(components) < 2 or {b"", b".", b".."} & set(components[1:]):
        return "the path is not absolute and canonical"
    if any(component.startswith(b".wh.") for component in components):
        return "in a layer a name that begins with `.wh.` deletes a file"
    if b"\0" in path or b"\0" in (target or b""):
        return "a path cannot hold a NUL"
    if entry.kind == "link" and not target:
        return "a link needs a target"
    if entry.kind == "file" and not _is_sha(entry.content):
        return "a file needs the SHA-256 of its content"
    if entry.mode != stat.S_IMODE(entry.mode) or entry.uid < 0 or entry.gid < 0:
        return "mode or owner is out of range"
    return None


def _is_sha(content: str | None) -> bool:
    return content is not None and len(content) == 64 and set(content) <= set("0123456789abcdef")


def write(entries: list[Entry], contents: Contents, out: str, mtime: int = 0) -> oci.Layer:
    """Write the compressed tar to `out`/blobs/sha256/DIGEST, and say what it is.

    `mtime` is what every entry gets, in seconds. Memory does not grow with the layer. Raises
    MinimgError MINIMG-E001 for a content that is missing or is not what its name says, MINIMG-E022
    where that is a file of this machine, and OSError.
    """
    folder = os.path.join(out, oci.BLOBS)
    os.makedirs(folder, exist_ok=True)
    scratch = os.path.join(folder, "incoming")
    wire, tar = hashlib.sha256(), hashlib.sha256()
    try:
        with open(scratch, "wb") as file:
            compressed = Gzip(file.write, wire.update)
            pieces = Pieces(tar.update, compressed.write)
            disk = _write_tar(entries, contents, mtime, pieces)
            pieces.close()
            compressed.close()
            size = file.tell()
        os.chmod(scratch, 0o644)
        os.replace(scratch, os.path.join(folder, wire.hexdigest()))
    except BaseException:
        if os.path.exists(scratch):
            os.unlink(scratch)
        raise
    return oci.Layer(
        digest="sha256:" + wire.hexdigest(),
        diff_id="sha256:" + tar.hexdigest(),
        size=size,
        unpacked=pieces.written,
        files=sum(entry.kind != "dir" for entry in entries),
        disk=disk,
    )


def _write_tar(entries: list[Entry], contents: Contents, mtime: int, pieces: Pieces) -> int:
    """The sum of the files' sizes."""
    disk = 0
    by_path = {entry.path: entry for entry in entries}
    for entry in entries:
        if entry.kind == "file":
            disk += _write_file(entry, contents, mtime, pieces)
        elif entry.kind == "hardlink":
            # Whoever applies a hard link sets mode and owner again, and they are the file's.
            owned = by_path[entry.target or b""]
            pieces.write(tarstream.header(_member(entry, owned, mtime)))
        else:
            pieces.write(tarstream.header(_member(entry, entry, mtime)))
    pieces.write(tarstream.END)
    return disk


def _member(entry: Entry, owned: Entry, mtime: int, size: int = 0) -> tarstream.Member:
    target = entry.target or b""
    return tarstream.Member(
        name=entry.path[1:] + (b"/" if entry.kind == "dir" else b""),
        kind=_KINDS[entry.kind],
        mode=0o777 if entry.kind == "link" else owned.mode,
        size=size,
        uid=owned.uid,
        gid=owned.gid,
        mtime=mtime,
        target=target[1:] if entry.kind == "hardlink" else target,
    )


def _write_file(entry: Entry, contents: Contents, mtime: int, pieces: Pieces) -> int:
    assert entry.content is not None
    stream, is_plain = contents.open(entry.content)
    with stream:
        size = os.fstat(stream.fileno()).st_size
        pieces.write(tarstream.header(_member(entry, entry, mtime, size)))
        digest, read = hashlib.sha256(), 0
        while True:
            data = stream.read(min(PIECE, size - read))
            if not data:
                break
            digest.update(data)
            pieces.write(data)
            read += len(data)
        pieces.write(tarstream.padding(size))
    if read != size or (is_plain and digest.hexdigest() != entry.content):
        raise contents.wrong(entry)
    return size
