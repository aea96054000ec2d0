"""What a program expects around it and no library names: certificates, users, /tmp.

A preset is a set of generated entries, computed from the sysroot and the image's user alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.implicit import nss
from pants_plugin_minimg.bundler.preset_names import (
    CA_CERTIFICATES,
    NAMES,
    NSSWITCH,
    PASSWD,
    TMP,
)
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

#: Where the bundle is in the image: Debian's and Alpine's place, which OpenSSL's and GnuTLS's users
#: (curl, git) and Go's crypto/x509 look at.
BUNDLE = b"/etc/ssl/certs/ca-certificates.crt"
#: Where sysroots have it: also Alpine's and Fedora's place.
_BUNDLES = (BUNDLE, b"/etc/ssl/cert.pem", b"/etc/pki/tls/certs/ca-bundle.crt")
#: Where OpenSSL looks (OPENSSLDIR/cert.pem): as Debian and as Alpine build it.
_OPENSSL = (b"/usr/lib/ssl/cert.pem", b"/etc/ssl/cert.pem")
#: update-ca-certificates(8): the packages' certificates, then the administrator's.
_SOURCES = (b"/usr/share/ca-certificates", b"/usr/local/share/ca-certificates")

#: Far above what is in use: the bundle of Mozilla's certificates has 0.2 MB.
_MAX_CERTIFICATES = 1 << 24
_MAX_DEPTH = 16

_PEM = re.compile(rb"-----BEGIN ([^\n-]*)-----\r?\n([^-]*)-----END \1-----")
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")

NONROOT, NOBODY = 65532, 65534
#: The largest number that runc takes (libcontainer/user).
_MAX_ID = (1 << 31) - 1


#: Local files before DNS: what glibc does without the file, too, but not everybody else (programs
#: of Go before 1.16 ask DNS first then, net/conf.go).
NAME_SERVICES = b"""\
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
"""


class Generated(NamedTuple):
    """An entry that is in no sysroot. `kind` is "file", "dir" or "link".

    `content` is a file's bytes, a link's target, or None for a directory.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    content: bytes | None
    reason: str


def preset_entries(names: Iterable[str], sysroot: Sysroot, user: str) -> Iterator[Generated]:
    """The entries of those presets that are generated; `user` is the image's, as in `65532:65532`.

    Nothing is yielded unless all can be made. Raises Problems: MINIMG-E018 for an unknown preset or
    a number that no user can have, MINIMG-E030 for a preset that the sysroot has not the files for.
    """
    wanted = dict.fromkeys(names)
    problems = [
        MinimgError(
            "MINIMG-E018",
            "presets",
            f"there is no preset {name!r}",
            f"The presets are {', '.join(NAMES)}.",
        )
        for name in wanted
        if name not in NAMES
    ]
    makers: dict[str, Callable[[], Iterator[Generated]]] = {
        CA_CERTIFICATES: lambda: _certificates(sysroot),
        PASSWD: lambda: _users(user),
        TMP: _temporary,
        NSSWITCH: _name_services,
    }
    entries: list[Generated] = []
    for name, make in makers.items():
        if name in wanted:
            try:
                entries += make()
            except MinimgError as error:
                problems.append(error)
            except Problems as several:
                problems += several.errors
    if problems:
        raise Problems(problems)
    return iter(entries)


def _temporary() -> Iterator[Generated]:
    yield Generated(b"/tmp", "dir", 0o1777, 0, 0, None, f"preset {TMP}")


def _name_services() -> Iterator[Generated]:
    yield Generated(nss.CONFIGURATION, "file", 0o644, 0, 0, NAME_SERVICES, f"preset {NSSWITCH}")


# Certificates.


def _certificates(sysroot: Sysroot) -> Iterator[Generated]:
    """The bundle, and links to it where the sysroot's OpenSSL has such a link.

    The bundle is the sysroot's own. Without one, as in unpacked Debian packages, it is made like
    update-ca-certificates(8) makes it, with every certificate enabled.
    """
    source, content = _bundle(sysroot)
    reason = f"preset ca-certificates, from {text(source)}"
    yield Generated(BUNDLE, "file", 0o644, 0, 0, content, reason)
    for path in _OPENSSL:
        folder = path.rpartition(b"/")[0]
        own = sysroot.walk(path, follow_last=False)
        if own.error is None and sysroot.walk(folder).real == folder:
            reason = "preset ca-certificates, where OpenSSL looks"
            yield Generated(path, "link", 0o777, 0, 0, BUNDLE, reason)


def _bundle(sysroot: Sysroot) -> tuple[bytes, bytes]:
    for path in _BUNDLES:
        walk = sysroot.walk(path)
        if walk.stat is not None and walk.stat.kind == "file":
            content = _read(sysroot, walk.real)
            _check_pem(walk.real, content)
            return walk.real, content
    pieces: dict[bytes, None] = {}  # in order, each once
    problems = []
    left = _MAX_CERTIFICATES
    for folder in _SOURCES:
        for path in sorted(_certificates_below(sysroot, folder)):
            try:
                content = _read(sysroot, sysroot.walk(path).real, left)
                _check_pem(path, content)
            except MinimgError as error:
                problems.append(error)
                continue
            left -= len(content)
            pieces[content if content.endswith(b"\n") else content + b"\n"] = None
    if problems:
        raise Problems(problems)
    if not pieces:
        raise MinimgError(
            "MINIMG-E030",
            "ca-certificates",
            "the sysroot has no certificates, neither "
            f"{text(BUNDLE)} nor *.crt below {text(_SOURCES[0])}",
            "Add the package that has them, as in "
            '`packages=[..., "ca-certificates"]` of the `debian_sysroot`.',
        )
    return _SOURCES[0], b"".join(pieces)


def _certificates_below(sysroot: Sysroot, folder: bytes, depth: int = 0) -> Iterator[bytes]:
    """Regular files named *.crt; links to files count, links to directories are not followed."""
    walk = sysroot.walk(folder, follow_last=depth == 0)
    if walk.stat is None or walk.stat.kind != "dir" or depth > _MAX_DEPTH:
        return
    for name in sysroot.scandir(walk.real):
        path = folder + b"/" + name
        if name.endswith(b".crt"):
            found = sysroot.walk(path)
            if found.stat is not None and found.stat.kind == "file":
                yield path
                continue
        yield from _certificates_below(sysroot, path, depth + 1)


def _read(sysroot: Sysroot, real: bytes, limit: int = _MAX_CERTIFICATES) -> bytes:
    with sysroot.open(real) as file:
        out = bytearray()
        while len(out) <= limit:
            piece = file.read(limit + 1 - len(out))
            if not piece:
                return bytes(out)
            out += piece
    raise _unfit(real, f"it makes more than {_MAX_CERTIFICATES >> 20} MB of certificates")


def _check_pem(path: bytes, content: bytes) -> None:
    """MINIMG-E030 unless there are certificates in PEM (RFC 7468) and nothing else in PEM."""
    count = 0
    for match in _PEM.finditer(content):
        count += 1
        if match.group(1) not in _LABELS:
            raise _unfit(path, f"it holds a {text(match.group(1))}")
        try:
            der = base64.b64decode(b"".join(match.group(2).split()), validate=True)
        except binascii.Error:
            raise _unfit(path, "a certificate in it is damaged") from None
        if der[:1] != b"\x30":  # a SEQUENCE, as X.509 begins
            raise _unfit(path, "a certificate in it is damaged")
    if content.count(b"-----BEGIN ") != count or content.count(b"-----END ") != count:
        raise _unfit(path, "a certificate in it is cut off")
    if not count:
        raise _unfit(path, "there is no certificate in PEM form in it")


def _unfit(path: bytes, problem: str) -> MinimgError:
    return MinimgError(
        "MINIMG-E030",
        text(path),
        f"{problem}, and the preset ca-certificates is made of it",
        "Put a file of certificates in PEM form there.",
    )


# Users.


def _users(user: str) -> Iterator[Generated]:
    """/etc/passwd and /etc/group as distroless images have them, and the homes that may be used:
    that of nonroot, and that of the image's user.

    root, nobody and nonroot are there always. A user given as another number is called `app`, and
    is in the group of the same number when none is given: not in root's, as without an entry.
    """
    name, _, group = user.partition(":")
    uid, gid = _id(name, user), _id(group, user)
    people = [
        ("root", 0, 0, "/root"),
        ("nobody", NOBODY, NOBODY, None),
        ("nonroot", NONROOT, NONROOT, "/home/nonroot"),
    ]
    if uid is not None and uid not in (known for _, known, _, _ in people):
        gid = uid if gid is None else gid
        people.append(("app", uid, gid, "/home/app"))
    groups = [("root", 0), ("nobody", NOBODY), ("nonroot", NONROOT)]
    if gid is not None and gid not in (known for _, known in groups):
        groups.append(("app", gid))
    passwd = [
        f"{person}:x:{number}:{main}:{person}:{home or '/nonexistent'}:/sbin/nologin\n"
        for person, number, main, home in people
    ]
    yield _table(b"/etc/passwd", passwd)
    yield _table(b"/etc/group", [f"{known}:x:{number}:\n" for known, number in groups])
    for person, number, main, home in people:
        used = number in (uid, NONROOT) or person == (name or "root")
        if home is not None and used:
            reason = f"preset passwd, the home of {person}"
            yield Generated(home.encode(), "dir", 0o700, number, main, None, reason)


def _table(path: bytes, lines: list[str]) -> Generated:
    return Generated(path, "file", 0o644, 0, 0, "".join(lines).encode("ascii"), "preset passwd")


def _id(value: str, user: str) -> int | None:
    """The number; None for a name or nothing. Raises MinimgError MINIMG-E018."""
    if not (value.isascii() and value.isdigit()):
        return None
    if len(value) > 10 or int(value) > _MAX_ID:
        raise MinimgError(
            "MINIMG-E018",
            "user",
            f"{user!r} has a number above {_MAX_ID}, the largest that a container can use",
            'Use a smaller one, as in `user="65532:65532"`.',
        )
    return int(value)
