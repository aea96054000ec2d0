"""Which files of an image are secrets: by their name, or by what they hold.

A private key is a BEGIN line, base64 that decodes to what such a key starts with, and the matching
END line (RFC 7468, section 2; RFC 1421 for the headers in between): programs hold the BEGIN line
alone. Some libraries hold whole keys, for their self-tests (libgnutls has twenty): programs and
libraries of the sysroot are not searched for any. Contents are read a piece at a time; what is
packed (zip, gzip) is not looked into.
"""

from __future__ import annotations

import binascii
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import FIRST_PARTY, Entry
from pants_plugin_minimg.bundler.text import text

_TEXT_HEAD = 1 << 13
#: What must lie in one piece for a value to be seen: the longest that a pattern matches, and more.
_OVERLAP = 1 << 11
_MAX_KEY = 1 << 20

#: The ends of paths that hold credentials, whatever is in them; `*` is any name.
_NAMES = tuple(
    tuple(name.split(b"/"))
    for name in (
        b".aws/credentials",
        b".azure/accessTokens.json",
        b".azure/msal_token_cache.json",
        b".cargo/credentials",
        b".cargo/credentials.toml",
        b".config/gcloud/access_tokens.db",
        b".config/gcloud/application_default_credentials.json",
        b".config/gcloud/credentials.db",
        b".config/gh/hosts.yml",
        b".docker/config.json",
        b".dockercfg",
        b".gem/credentials",
        b".git-credentials",
        b".gnupg/private-keys-v1.d/*",
        b".kube/config",
        b".netrc",
        b".pgpass",
        b".ssh/id_dsa",
        b".ssh/id_ecdsa",
        b".ssh/id_ecdsa_sk",
        b".ssh/id_ed25519",
        b".ssh/id_ed25519_sk",
        b".ssh/id_rsa",
        b".terraform.d/credentials.tfrc.json",
        b".vault-token",
        b"_netrc",
    )
)

#: What programs and libraries begin with: ELF, ar(5).
_PROGRAMS = (b"\x7fELF", b"!<arch>\n")
_KEY_WORD = b"PRIVATE KEY"
# Compiled when one is looked for, which few images have a cause for.
_BEGIN = rb"-----BEGIN ((?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----"
#: In a string of JSON or of a program a line ends as `\n`, and the next may be quoted anew.
_LINE_ENDS = rb"\\[nr]|[\s\"'`,;]+"
_HEADER = rb"[A-Za-z-]{1,40}: "
_CHECKSUM = rb"=[A-Za-z0-9+/]{4}"

_AWS = (
    rb"(?i:aws_secret_access_key|\"SecretAccessKey\")[\"']?\s{0,8}[=:]\s{0,8}[\"']?"
    rb"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])"
)
_GITHUB = rb"(?<![A-Za-z0-9])gh[pousr]_([A-Za-z0-9]{30})([A-Za-z0-9]{6})(?![A-Za-z0-9])"
_OTHERS = {
    "a GitHub token": rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?![A-Za-z0-9])",
    "a GitLab token": rb"(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20}(?![A-Za-z0-9_-])",
    "a Slack token": rb"(?<![A-Za-z0-9])xox[abprs]-[0-9]{8,14}-[0-9A-Za-z-]{16,}",
    "an Azure storage key": rb"AccountKey=[A-Za-z0-9+/]{86}==",
    "a Google refresh token": rb'"refresh_token"\s{0,8}:\s{0,8}"1//[\w-]{30,}"',
    "an npm token": rb"_authToken\s{0,8}=\s{0,8}[\"']?[A-Za-z0-9_-]{20,}",
    "a client key of Kubernetes": (
        rb"client-key-data[\"']?:\s{0,8}[\"']?LS0tLS1CRUdJTi[A-Za-z0-9+/=]{40,}"
    ),
    "a PuTTY private key": rb"PuTTY-User-Key-File-[0-9]: [\w-]+\r?\nEncryption: ",
}
#: A literal that each of the patterns above holds: finding one is much faster than matching.
_WORDS: tuple[bytes, ...] = (
    b"aws_secret_access_key",
    b"AWS_SECRET_ACCESS_KEY",
)
_TEXT_WORDS: tuple[bytes, ...] = (
    *_WORDS,
    b"SecretAccessKey",
    b"ghp_",
    b"gho_",
    b"ghu_",
    b"ghs_",
    b"ghr_",
    b"github_pat_",
    b"glpat-",
    b"xox",
    b"AccountKey=",
    b'"refresh_token"',
    b"_authToken",
    b"client-key-data",
    b"PuTTY-User-Key-File-",
)
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Finding(NamedTuple):
    """`what` is told to the user, and never the secret; `offset` is in bytes."""

    what: str
    offset: int


def check(
    entries: Mapping[bytes, Entry], blobs: str, allowed: Sequence[bytes]
) -> Iterator[MinimgError]:
    """MINIMG-E038 for each file that is a secret and not `allowed` by its path, and for an allowed
    path that is none. `blobs` has the contents of the entries. Raises OSError."""
    contents: dict[tuple[str, bool], list[Finding]] = {}
    idle = dict.fromkeys(allowed)
    for path, entry in entries.items():
        if entry.kind != "file" or entry.content is None:
            continue
        if entry.origin == "generated" and path.endswith(b".pyc"):
            continue  # what is secret in byte code is so in its source
        blob = os.path.join(blobs, entry.content)
        found = by_name(path) if entry.size else None
        if found is None:
            key = entry.content, entry.layer == FIRST_PARTY
            if key not in contents:
                with open(blob, "rb") as file:
                    contents[key] = findings(file, of_sysroot=not key[1])
            found = _told(contents[key], blob)
        if found is None:
            continue
        if path in idle:
            del idle[path]
        elif path not in allowed:
            yield MinimgError(
                "MINIMG-E038",
                text(path),
                found,
                "Leave it out and give it to the container when it runs; if it is no secret, add "
                f'"{text(path)}" to `allowed_secrets`.',
            )
    for path in idle:
        yield MinimgError(
            "MINIMG-E038",
            text(path),
            "`allowed_secrets` names it, and the image has no secret there",
            "Take it off that list.",
        )


def by_name(path: bytes) -> str | None:
    """What a name alone tells of a file; `path` is absolute."""
    parts = path.split(b"/")
    for name in _NAMES:
        end = parts[-len(name) :]
        if len(end) == len(name) and all(mine in (b"*", theirs) for mine, theirs in zip(name, end)):
            return f"a file called {text(b'/'.join(name))} holds credentials"
    return None


def findings(file: BinaryIO, *, of_sysroot: bool = False) -> list[Finding]:
    """The first secret of each kind in a file that can be sought. Raises OSError.

    `of_sysroot`: whether the file is a program or library that others published.
    """
    found: dict[str, Finding] = {}
    head = file.read(_TEXT_HEAD)
    words = _WORDS if b"\0" in head else _TEXT_WORDS
    has_keys = not (of_sysroot and head.startswith(_PROGRAMS))
    file.seek(0)
    start, piece, searched = 0, b"", 0
    while True:
        more = file.read(pieces.SIZE)
        if not more:
            return sorted(found.values(), key=lambda finding: finding.offset)
        start += max(0, len(piece) - _OVERLAP)
        piece = piece[-_OVERLAP:] + more
        for finding in _in_piece(piece, words):
            found.setdefault(finding.what, Finding(finding.what, start + finding.offset))
        for offset in _occurrences(_KEY_WORD, piece) if has_keys else ():
            if start + offset >= searched:
                key, searched = _private_key(file, start + offset)
                if key is not None:
                    found.setdefault(key.what, key)
        file.seek(start + len(piece))


def _told(found: Iterable[Finding], blob: str) -> str | None:
    """The findings of one file as one sentence; a line is where there are lines."""
    said = []
    for finding in found:
        with open(blob, "rb") as file:
            before = file.read(finding.offset)
        where = f"byte {finding.offset}" if b"\0" in before else f"line {before.count(10) + 1}"
        said.append(f"{finding.what} ({where})")
    return f"it holds {', '.join(said)}" if said else None


def _occurrences(word: bytes, piece: bytes) -> Iterator[int]:
    at = piece.find(word)
    while at >= 0:
        yield at
        at = piece.find(word, at + len(word))


def _in_piece(piece: bytes, words: Iterable[bytes]) -> Iterator[Finding]:
    if not any(word in piece for word in words):
        return
    for match in re.finditer(_AWS, piece):
        if not match[1].upper().endswith(b"EXAMPLEKEY"):  # those of Amazon's own documentation
            yield Finding("a secret access key of AWS", match.start())
            break
    for match in re.finditer(_GITHUB, piece):
        if _base62(zlib.crc32(match[1])) == match[2]:
            yield Finding("a GitHub token", match.start())
            break
    for what, pattern in _OTHERS.items():
        found = re.search(pattern, piece)
        if found is not None:
            yield Finding(what, found.start())


def _base62(number: int) -> bytes:
    """Six digits, as GitHub writes the checksum of a token."""
    out = b""
    for _ in range(6):
        number, digit = divmod(number, 62)
        out = _DIGITS[digit : digit + 1] + out
    return out


def _private_key(file: BinaryIO, at: int) -> tuple[Finding | None, int]:
    """The key whose BEGIN line has its words at `at`, and from where to look for the next one."""
    after = at + len(_KEY_WORD)
    before = max(0, at - 64)
    file.seek(before)
    lines = re.finditer(_BEGIN, file.read(160))
    line = next((one for one in lines if one.start() < at - before < one.end()), None)
    if line is None:
        return None, after
    label, begin = line[1], before + line.start()
    file.seek(before + line.end())
    body, size = b"", 1 << 12
    while b"-----" not in body and size <= _MAX_KEY:
        more = file.read(size)
        if not more:
            break
        body, size = body + more, size * 4
    body, dashes, end = body.partition(b"-----")
    tail = b"END " + label + b"-----"
    if len(end) < len(tail):
        end += file.read(len(tail))
    if not dashes or not end.startswith(tail) or not _is_key(body, label):
        return None, after
    return Finding("a private key", begin), before + line.end() + len(body)


def _is_key(body: bytes, label: bytes) -> bool:
    headers, encoded = [], []
    for line in filter(None, re.split(rb"\\[nr]|[\r\n]", body)):
        stripped = line.strip(b" \t\"'`,;")
        if re.match(_HEADER, stripped):
            headers.append(stripped)
        elif not re.fullmatch(_CHECKSUM, stripped):
            encoded.append(re.sub(_LINE_ENDS, b"", stripped))
    try:
        raw = binascii.a2b_base64(b"".join(encoded))
    except binascii.Error:
        return False
    if binascii.b2a_base64(raw, newline=False) != b"".join(encoded) or len(raw) < 32:
        return False  # a2b_base64 passes over what is no base64
    if label.startswith(b"PGP"):
        return bool(raw[0] & 0x80)
    return (
        raw[:1] == b"\x30"
        or raw.startswith(b"openssh-key-v1\0")
        or any(header.startswith((b"Proc-Type:", b"DEK-Info:")) for header in headers)
    )
