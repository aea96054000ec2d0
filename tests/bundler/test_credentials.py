"""What counts as a secret, and what does not. The secrets are made here; none is a real one."""

from __future__ import annotations

import base64
import io
import json
import random
import zlib
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.planning import credentials

from .implied import Bench
from .rootfs import Root

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def noise(size: int, seed: int = 1) -> bytes:
    return bytes(random.Random(seed).getrandbits(8) for _ in range(size))


def word(size: int, seed: int = 1) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(_DIGITS) for _ in range(size))


def pem(label: str, raw: bytes, headers: str = "", end: str = "\n") -> str:
    encoded = base64.b64encode(raw).decode()
    lines = [encoded[at : at + 64] for at in range(0, len(encoded), 64)]
    text = [f"-----BEGIN {label}-----", *headers.splitlines(), *lines, f"-----END {label}-----", ""]
    return end.join(text)


def der(size: int = 1200) -> bytes:
    return b"\x30\x82" + noise(size)


def github(prefix: str = "ghp") -> str:
    body = word(30)
    number, sum_ = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        sum_ = _DIGITS[digit] + sum_
    return f"{prefix}_{body}{sum_}"


SECRETS = {
    "pkcs8": ("a private key", pem("PRIVATE KEY", der())),
    "rsa": ("a private key", pem("RSA PRIVATE KEY", der())),
    "ec": ("a private key", "Bag Attributes\n" + pem("EC PRIVATE KEY", der(119))),
    "dos lines": ("a private key", pem("DSA PRIVATE KEY", der(), end="\r\n")),
    "openssh": (
        "a private key",
        pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + noise(400)),
    ),
    "encrypted": ("a private key", pem("ENCRYPTED PRIVATE KEY", der())),
    "encrypted of old": (
        "a private key",
        pem("RSA PRIVATE KEY", b"\x01" + noise(1191), "Proc-Type: 4,ENCRYPTED\nDEK-Info: A,B\n"),
    ),
    "pgp": (
        "a private key",
        pem("PGP PRIVATE KEY BLOCK", b"\x95" + noise(900), "Version: X\n\n").replace(
            "\n-----END", "\n=aB3+\n-----END"
        ),
    ),
    "in json": ("a private key", json.dumps({"private_key": pem("PRIVATE KEY", der())})),
    "in a program": (
        "a private key",
        '"' + pem("RSA PRIVATE KEY", der(), end='\\n"\n    "') + '"',
    ),
    "aws": (
        "a secret access key of AWS",
        f"[default]\naws_access_key_id = AKIA{word(16)}\naws_secret_access_key = {word(40)}\n",
    ),
    "aws in the environment": ("a secret access key of AWS", f"AWS_SECRET_ACCESS_KEY={word(40)}\n"),
    "aws in json": ("a secret access key of AWS", json.dumps({"SecretAccessKey": word(40)})),
    "github": ("a GitHub token", f"url = https://x:{github()}@github.com/\n"),
    "github app": ("a GitHub token", github("ghs")),
    "github, fine": ("a GitHub token", f"token: github_pat_{word(22)}_{word(59)}\n"),
    "gitlab": ("a GitLab token", f"glpat-{word(20)}\n"),
    "slack": ("a Slack token", f"xoxb-{'123456789012'}-{word(24)}\n"),
    "azure": ("an Azure storage key", f"AccountKey={word(86)}==;EndpointSuffix=x"),
    "google": (
        "a Google refresh token",
        json.dumps({"type": "authorized_user", "refresh_token": f"1//{word(60)}"}, indent=1),
    ),
    "npm": ("an npm token", f"//registry.example/:_authToken={word(36)}\n"),
    "kubernetes": (
        "a client key of Kubernetes",
        "    client-key-data: "
        + base64.b64encode(pem("RSA PRIVATE KEY", der()).encode()).decode()
        + "\n",
    ),
    "putty": (
        "a PuTTY private key",
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\n",
    ),
}  # fmt: skip

HARMLESS = {
    "a string of a library": "-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0",
    "a BEGIN line": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "another END": pem("RSA PRIVATE KEY", der()).replace("END RSA", "END EC"),
    "no base64": pem("PRIVATE KEY", der()).replace("MII", "…II"),
    "left out": "-----BEGIN PRIVATE KEY-----\nMIIEvQ...\n-----END PRIVATE KEY-----\n",
    "too short": pem("PRIVATE KEY", b"\x30\x03abc"),
    "other content": pem("PRIVATE KEY", b"\x01" + noise(300)),
    "a certificate": pem("CERTIFICATE", der()),
    "a public key": pem("PUBLIC KEY", der()),
    "a wrong checksum": github()[:-1] + ("a" if github()[-1] != "a" else "b"),
    "Amazon's example": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    "no value": "aws_secret_access_key = $SECRET\nexport AWS_SECRET_ACCESS_KEY=\n",
    "a longer word": f"aws_secret_access_key={word(60)}",
    "from the environment": "//registry.example/:_authToken=${NPM_TOKEN}\n",
    "help": "xoxb-your-token glpat-XXXX github_pat_… AccountKey=…",
}


def found(content: str | bytes) -> list[credentials.Finding]:
    raw = content if isinstance(content, bytes) else content.encode()
    return credentials.findings(io.BytesIO(raw))


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("before", [0, 100, (1 << 20) - 300, (1 << 20) - 10, 3_000_001])
def test_a_secret_is_found_wherever_it_is(name: str, before: int) -> None:
    what, content = SECRETS[name]
    (finding,) = found(b"\n" * before + content.encode() + b"\n" * 5000)
    assert finding.what == what
    assert before <= finding.offset < before + len(content)


@pytest.mark.parametrize("name", [name for name in SECRETS if "private key" in SECRETS[name][0]])
def test_a_private_key_is_found_in_a_program_too(name: str) -> None:
    if name != "putty":
        assert [finding.what for finding in found(b"\x7fELF\0" + SECRETS[name][1].encode())] == [
            SECRETS[name][0]
        ]


def test_a_library_of_the_sysroot_may_hold_keys_for_its_self_tests() -> None:
    library = b"\x7fELF\2\1\1" + bytes(100) + SECRETS["pkcs8"][1].encode() + b"\0"
    assert credentials.findings(io.BytesIO(library), of_sysroot=True) == []
    assert len(credentials.findings(io.BytesIO(library))) == 1
    text = io.BytesIO(SECRETS["pkcs8"][1].encode())
    assert len(credentials.findings(text, of_sysroot=True)) == 1


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_one_is_none(name: str) -> None:
    assert found(HARMLESS[name]) == []


def test_many_begin_lines_hide_no_key_and_cost_little() -> None:
    decoys = b"-----BEGIN PRIVATE KEY-----\n" * 20_000
    (finding,) = found(decoys + SECRETS["pkcs8"][1].encode())
    assert finding.offset == len(decoys)


def test_each_kind_is_told_once() -> None:
    content = SECRETS["rsa"][1] * 3 + SECRETS["aws"][1] + SECRETS["aws"][1]
    assert [finding.what for finding in found(content)] == [
        "a private key",
        "a secret access key of AWS",
    ]


@pytest.mark.parametrize(
    "path",
    ["/home/v/.netrc", "/home/u/.docker/config.json", "/app/.aws/credentials", "/.ssh/id_ed25519",
     "/x/.gnupg/private-keys-v1.d/AB.key", "/.git-credentials", "/r/.kube/config"],
)  # fmt: skip
def test_some_names_are_enough(path: str) -> None:
    assert credentials.by_name(path.encode()) is not None


@pytest.mark.parametrize(
    "path",
    ["/usr/bin/netrc", "/etc/docker/config.json", "/credentials", "/.ssh/id_ed25519.pub",
     "/.ssh/known_hosts", "/.config/gcloud/configurations/config_default"],
)  # fmt: skip
def test_other_names_are_not(path: str) -> None:
    assert credentials.by_name(path.encode()) is None


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    bench = Bench(root, tmp_path)
    bench.program("/usr/bin/tool", b"libc.so.6")
    root.file("/srv/key.pem", b"# one\n" + SECRETS["rsa"][1].encode())
    root.file("/srv/.netrc", b"machine x login y password z\n")
    root.file("/srv/.dockercfg", b"")
    root.file("/srv/page.html", b"<p>")
    return bench


def test_a_secret_fails_the_build_by_path_kind_and_line(bench: Bench) -> None:
    by_path = {error.subject: error for error in bench.errors(include=["/srv"])}
    assert set(by_path) == {"/srv/key.pem", "/srv/.netrc"}
    assert {error.code for error in by_path.values()} == {"MINIMG-E038"}
    assert by_path["/srv/key.pem"].problem == "it holds a private key (line 2)"
    assert 'add "/srv/key.pem" to `allowed_secrets`' in by_path["/srv/key.pem"].remedy
    assert SECRETS["rsa"][1][40:60] not in str(by_path["/srv/key.pem"])


def test_a_secret_is_allowed_by_its_exact_path(bench: Bench) -> None:
    assert bench.errors(include=["/srv"], allowed_secrets=["/srv/key.pem", "/srv/.netrc"]) == []
    (error,) = bench.errors(include=["/srv"], allowed_secrets=["/srv/key.pem"])
    assert error.subject == "/srv/.netrc"


@pytest.mark.parametrize("path", ["/srv/page.html", "/srv/gone.pem"])
def test_a_path_that_is_allowed_and_holds_none_is_told(bench: Bench, path: str) -> None:
    allowed = ["/srv/key.pem", "/srv/.netrc", path]
    (error,) = bench.errors(include=["/srv"], allowed_secrets=allowed)
    assert (error.code, error.subject) == ("MINIMG-E038", path)


def test_secrets_are_told_beside_all_else_that_is_wrong(bench: Bench) -> None:
    bench.program("/usr/bin/other", b"libgone.so.1")
    errors = bench.errors(
        include=["/srv", "/nothing/*"], executables=["/usr/bin/tool", "/usr/bin/other"],
        user="www:www", directories={"/srv/.wh.x": "0755"},
    )  # fmt: skip
    assert sorted(error.code for error in errors) == [
        "MINIMG-E004", "MINIMG-E009", "MINIMG-E013", "MINIMG-E015", "MINIMG-E015",
        "MINIMG-E038", "MINIMG-E038",
    ]  # fmt: skip
