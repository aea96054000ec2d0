"""Whether a tar is byte for byte what tarstream.py writes for the members that it has."""

from __future__ import annotations

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.rendering import tarstream
from pants_plugin_minimg.bundler.tars.reader import DIR, FILE, HARDLINK, LINK, Member, Tape, members
from pants_plugin_minimg.bundler.tars.window import Handle, Window
from pants_plugin_minimg.bundler.text import text

_KINDS = {
    FILE: tarstream.FILE,
    DIR: tarstream.DIRECTORY,
    LINK: tarstream.LINK,
    HARDLINK: tarstream.HARD_LINK,
}


def finding(subject: str, problem: str) -> MinimgError:
    """MINIMG-E039 about a path of the image, a blob or a document."""
    return MinimgError("MINIMG-E039", subject, problem)


def read(handle: Handle, subject: str, mtime: int) -> tuple[list[Member], list[MinimgError]]:
    """The members, and what makes the tar another one than we write of them.

    `mtime` is the time stamp that every member must have, in seconds. What cannot be read on is a
    finding too: the members are those before it.
    """
    found: list[Member] = []
    problems: list[MinimgError] = []
    tape = Tape(pieces.of(Window(handle, 0, handle.size)), subject, handle.size)
    raw = Window(handle, 0, handle.size)
    at, same = 0, True
    try:
        for member in members(tape):
            found.append(member)
            if not same:
                continue
            written = _written(member, mtime)
            data = raw.seek(at) + len(written)
            same = raw.read(len(written)) == written
            at = data + -(-member.size // tarstream.BLOCK) * tarstream.BLOCK
            raw.seek(data + member.size)
            same = same and not any(raw.read(at - data - member.size))
            if not same:
                problems.append(
                    finding(
                        subject,
                        f"its member {text(member.name)} is not written as we write it: another "
                        "time, format, owner's name or padding",
                    )
                )
    except MinimgError as error:
        return found, [*problems, error]
    raw.seek(at)
    if same and raw.read(2 * len(tarstream.END)) != tarstream.END:
        problems.append(finding(subject, "something follows its last member"))
    return found, problems


def _written(member: Member, mtime: int) -> bytes:
    """The header of a kind that we never write is b"": nothing equals it but a tar without any."""
    if member.kind not in _KINDS:
        return b"no such kind"
    return tarstream.header(
        tarstream.Member(
            member.name,
            _KINDS[member.kind],
            member.mode,
            member.size,
            member.uid,
            member.gid,
            mtime,
            member.target,
        )
    )
