"""The signature of an `InRelease` file: checked by gpgv, and only the signed text is given back."""

from __future__ import annotations

import base64
import binascii
import glob
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence

from pants_plugin_minimg.bundler.errors import MinimgError

_CODE = "MINIMG-E025"
_BEGIN, _SIGNATURE = b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.S
)
#: Hashes of a signature that count for nothing (RFC 9580 9.5): MD5, SHA-1, RIPEMD-160.
_WEAK = frozenset({"1", "2", "3"})
_SECONDS = 60


def apt_keyrings(root: str = "/") -> list[str]:
    """What apt trusts for a source that names no key (apt-secure(8))."""
    single = os.path.join(root, "etc/apt/trusted.gpg")
    parts = os.path.join(root, "etc/apt/trusted.gpg.d")
    several = [path for end in ("gpg", "asc") for path in glob.glob(f"{parts}/*.{end}")]
    return [path for path in (single, *sorted(several)) if _has_content(path)]


def default_keyrings(root: str = "/") -> list[str]:
    """For a mirror that an option names: the archive keyrings that packages ship, then apt's."""
    shipped = glob.glob(os.path.join(root, "usr/share/keyrings/*archive*keyring*.gpg"))
    return [*filter(_has_content, sorted(shipped)), *apt_keyrings(root)]


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def verified(
    content: bytes, subject: str, gpgv: str | None, keyrings: Sequence[str], keys: str = ""
) -> str:
    """The text that is signed by a key of `keyrings` (files) or of `keys` (ASCII armor).

    `gpgv` is the program. One good signature is enough, as for apt, and none may be bad. Raises
    MinimgError MINIMG-E025.
    """
    _check_form(content, subject)
    if gpgv is None:
        raise MinimgError(
            _CODE,
            subject,
            "there is no gpgv on this machine, which checks signatures of archives",
            "Install it (Debian and Ubuntu: the package gpgv).",
        )
    with tempfile.TemporaryDirectory() as folder:
        rings = _binary(keyrings, keys, folder)
        if not rings:
            raise MinimgError(
                _CODE,
                subject,
                "no keyring is known to check its signature with",
                "Set `[minimg-debian].keyrings` to the archive's keyring.",
            )
        signed, out = os.path.join(folder, "signed"), os.path.join(folder, "out")
        with open(signed, "wb") as file:
            file.write(content)
        command = [os.path.abspath(gpgv), "--homedir", folder, "--status-fd", "1", "--output", out]
        command += [word for ring in rings for word in ("--keyring", ring)] + [signed]
        status, errors = _run(command, folder, subject)
        _judge(status, errors, subject, [*keyrings, *(["its inline key"] if keys else [])])
        return _output(out, subject)


def _check_form(content: bytes, subject: str) -> None:
    """One signed message and nothing around it, so that no reader can take other text for it."""
    lines = [line.rstrip() for line in content.strip().split(b"\n")]
    marks = [line for line in lines if line.startswith(b"-----")]
    if lines[0] != _BEGIN:
        raise MinimgError(
            _CODE, subject, "the file is not signed", "Use a mirror that serves the archive as is."
        )
    if marks != [_BEGIN, _SIGNATURE, _END] or lines[-1] != _END:
        raise MinimgError(
            _CODE,
            subject,
            "the file is not one signed message and nothing else",
            "Use a mirror that serves the archive as is.",
        )


def _binary(keyrings: Iterable[str], keys: str, folder: str) -> list[str]:
    """Keyrings as gpgv reads them: it knows no ASCII armor."""
    out: list[str] = []
    found = [(os.path.abspath(path), _read(path)) for path in keyrings]
    if keys:
        found.append(("", keys.encode("utf-8")))
    for path, content in found:
        if b"-----BEGIN PGP PUBLIC KEY BLOCK-----" in content:
            path = os.path.join(folder, f"ring{len(out)}.gpg")
            with open(path, "wb") as file:
                file.write(b"".join(map(_dearmored, _ARMOR.findall(content))))
        out.append(path)
    return out


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise MinimgError(
            _CODE,
            path,
            f"the keyring cannot be read: {error.strerror}",
            "Set `[minimg-debian].keyrings` to files that are there.",
        ) from None


def _dearmored(block: bytes) -> bytes:
    """RFC 9580 6.2: headers, an empty line, base64, `=` and a checksum. Damaged: no key at all."""
    lines = [line.strip() for line in block.strip(b"\r\n").split(b"\n")]
    while lines and lines[0] and b":" in lines[0]:
        lines.pop(0)
    data = b"".join(line for line in lines if not line.startswith(b"="))
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return b""


def _run(command: list[str], folder: str, subject: str) -> tuple[list[list[str]], str]:
    """The words of each status line, and what the program says."""
    environment = {"LC_ALL": "C", "PATH": os.defpath, "HOME": folder}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MinimgError(
            _CODE, subject, f"gpgv could not be run: {error}", "Install the package gpgv anew."
        ) from None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return (
        [line.split()[1:] for line in lines if line.startswith("[GNUPG:] ")],
        done.stderr.decode("utf-8", "replace"),
    )


def _judge(status: list[list[str]], errors: str, subject: str, rings: Sequence[str]) -> None:
    """Raises unless a good signature is among those that gpgv reports (gnupg's doc/DETAILS)."""

    def refuse(problem: str, remedy: str) -> MinimgError:
        return MinimgError(_CODE, subject, problem, remedy)

    words = {line[0] for line in status if line}
    if "BADSIG" in words:
        raise refuse("the signature is bad: the file was changed", "Use another mirror.")
    valid = [line for line in status if line[:1] == ["VALIDSIG"] and len(line) > 9]
    if "GOODSIG" in words and any(line[8] not in _WEAK for line in valid):
        return
    if "GOODSIG" in words and valid:
        raise refuse("the signature uses a hash that is broken", "Use another mirror.")
    if words & {"EXPKEYSIG", "KEYEXPIRED"}:
        raise refuse(
            "the key that signed it has expired",
            "Update the archive's keyring (Debian: the package debian-archive-keyring).",
        )
    if "REVKEYSIG" in words:
        raise refuse("the key that signed it was revoked", "Update the archive's keyring.")
    if "EXPSIG" in words:
        raise refuse("the signature has expired", "Use another mirror.")
    unknown = [line[1] for line in status if line[:1] == ["NO_PUBKEY"] and len(line) > 1]
    if unknown:
        raise refuse(
            f"signed by {' and '.join(unknown)}, which no keyring has: {', '.join(rings)}",
            "If you trust this key, add its keyring to `[minimg-debian].keyrings`.",
        )
    last = (errors.strip().splitlines() or ["it says nothing"])[-1]
    raise refuse(f"gpgv finds no signature that it can check: {last}", "Use another mirror.")


def _output(path: str, subject: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return file.read()
    except (OSError, ValueError):
        raise MinimgError(
            _CODE,
            subject,
            "gpgv gave no signed text, or one that is not UTF-8",
            "Use gpgv of GnuPG 2.2 or later.",
        ) from None
