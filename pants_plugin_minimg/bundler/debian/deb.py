"""The parts of a Debian binary package: an ar archive of two tars, deb(5)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, cast

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.tars.decompress import chunks
from pants_plugin_minimg.bundler.tars.index import inside
from pants_plugin_minimg.bundler.tars.reader import FILE, Tape, members
from pants_plugin_minimg.bundler.tars.window import Handle, Window

_MAGIC, _HEADER = b"!<arch>\n", 60
_COMPRESSIONS = ("", ".gz", ".xz", ".zst")
#: The largest control member of Debian 12 unpacks to 6 MB.
_MAX_CONTROL = 1 << 26
_MAX_MEMBERS = 64
_MD5 = re.compile(rb"([0-9a-f]{32}) [ *](.+)\Z")


class Control(NamedTuple):
    """The control member. `scripts` are those that install; paths are absolute."""

    stanza: str
    md5sums: dict[bytes, str]
    conffiles: tuple[bytes, ...]
    scripts: tuple[bytes, ...]


class Deb:
    """One package file. Raises MinimgError MINIMG-E027 for what is no package, and OSError."""

    def __init__(self, path: str, subject: str) -> None:
        self.subject = subject
        self._handle = Handle(path)
        self._control, self._data = self._parts()

    def data(self) -> Iterator[bytes]:
        """The uncompressed tar of the package's files, piece by piece."""
        return chunks(self._window(self._data), self.subject)

    def control(self) -> Control:
        whole = io.BytesIO()
        tape = Tape(
            chunks(self._window(self._control), self.subject), self.subject, _MAX_CONTROL, whole
        )
        files: dict[str, bytes] = {}
        found = [(inside(tape, member.name), member) for member in members(tape)]
        with whole.getbuffer() as raw:
            for path, member in found:
                if member.kind == FILE:
                    name = path[1:].decode("utf-8", "backslashreplace")
                    files[name] = bytes(raw[member.offset : member.offset + member.size])
        if "control" not in files:
            raise self._damaged("it has no control file")
        try:
            stanza = files["control"].decode("utf-8").strip("\n") + "\n"
        except UnicodeDecodeError:
            raise self._damaged("its control file is not UTF-8") from None
        return Control(
            stanza=stanza,
            md5sums=_md5sums(files.get("md5sums", b"")),
            conffiles=_conffiles(files.get("conffiles", b"")),
            scripts=tuple(files[name] for name in ("preinst", "postinst") if name in files),
        )

    def _window(self, part: tuple[int, int]) -> BinaryIO:
        return cast(BinaryIO, Window(self._handle, *part))

    def _parts(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the control and the data member are: offset and size."""
        listed = self._members()
        if not listed or listed[0][0] != "debian-binary":
            raise self._damaged("it does not begin with the member debian-binary")
        version = self._window(listed[0][1]).read(16)
        if not re.match(rb"2\.[0-9]+\n", version):
            raise self._damaged("it is of a format version that is not understood")
        parts: dict[str, tuple[int, int]] = {}
        for name, place in listed[1:]:
            if name.startswith("_"):  # deb(5): to be ignored
                continue
            stem, tar, compression = name.partition(".tar")
            if stem not in ("control", "data") or not tar:
                raise self._damaged(f"a member {name!r} that is not understood")
            if compression not in _COMPRESSIONS:
                raise self._damaged(f"its member {name} has an unknown compression")
            if stem in parts:
                raise self._damaged(f"it has two {stem} members")
            if stem == "data" and "control" not in parts:
                raise self._damaged("its data member stands before its control member")
            parts[stem] = place
        for stem in ("control", "data"):
            if stem not in parts:
                raise self._damaged(f"it has no {stem} member")
        return parts["control"], parts["data"]

    def _members(self) -> list[tuple[str, tuple[int, int]]]:
        size = self._handle.size
        file = self._window((0, size))
        if file.read(len(_MAGIC)) != _MAGIC:
            raise self._damaged("it is no ar archive")
        listed: list[tuple[str, tuple[int, int]]] = []
        at = len(_MAGIC)
        while at < size:
            file.seek(at)
            header = file.read(_HEADER)
            if len(header) < _HEADER:
                raise self._damaged("it is cut off")
            if header[58:] != b"`\n" or len(listed) >= _MAX_MEMBERS:
                raise self._damaged(f"no header of an ar member at byte {at}")
            digits = header[48:58].rstrip(b" ")
            if not digits.isdigit():
                raise self._damaged(f"an ar member at byte {at} without a size")
            start, length = at + _HEADER, int(digits)
            if start + length > size:
                raise self._damaged("it is cut off")
            name = header[:16].rstrip(b" ").decode("ascii", "backslashreplace")
            listed.append((name[:-1] if name.endswith("/") else name, (start, length)))
            at = start + length + length % 2
        return listed

    def _damaged(self, problem: str) -> MinimgError:
        return MinimgError("MINIMG-E027", self.subject, problem, "It is not used.")


def _md5sums(raw: bytes) -> dict[bytes, str]:
    """Lines of `md5sum`, the paths relative to the root. What has no such form is passed over."""
    found: dict[bytes, str] = {}
    for line in raw.split(b"\n"):
        match = _MD5.match(line)
        if match is not None:
            path = match.group(2)
            found[b"/" + (path[2:] if path.startswith(b"./") else path)] = match.group(1).decode()
    return found


def _conffiles(raw: bytes) -> tuple[bytes, ...]:
    """deb-conffiles(5): an absolute path a line; a flag before it says that the file is gone."""
    return tuple(line.rstrip() for line in raw.split(b"\n") if line.startswith(b"/"))
