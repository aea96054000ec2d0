"""Pushing a finished image, and the document that is attached to it, with skopeo.

Credentials are skopeo's own affair: nothing here sees one, and no argument holds one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.registry import referrers
from pants_plugin_minimg.bundler.rendering import oci

#: The first that is known to push a list without what it lists, by `--multi-arch=index-only`.
OLDEST = (1, 9)
_VERSION = re.compile(r"version (\d+)\.(\d+)")
#: What containers/image says of a manifest that is not there.
_ABSENT = re.compile(r"manifest unknown|name unknown|repository name not known|StatusCode: 404")
#: What it says where a registry wants other credentials.
_REFUSED = re.compile(r"unauthorized|denied|forbidden|authentication required", re.IGNORECASE)
#: What a skopeo says that does not know of `artifactType` in a list (as Debian 12 builds 1.9).
_REWRITES = re.compile(r"must be converted to type .*cannot modify it", re.DOTALL)
_INSTALL = "Install skopeo from {0}.{1} on: Debian and Ubuntu have a package of that name."


class Failed(Exception):
    """skopeo ended with an error, `words`.

    `refused`: for want of credentials. `rewrites`: it would have had to change the list's bytes.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words
        self.refused = _REFUSED.search(words) is not None
        self.rewrites = _REWRITES.search(words) is not None


@dataclass(frozen=True)
class Skopeo:
    """The program. `retries` is how often it tries again by itself."""

    path: str
    retries: int

    def check(self) -> None:
        """Raises MinimgError MINIMG-E031 for a version that is too old, or none."""
        try:
            done = subprocess.run([self.path, "--version"], capture_output=True, check=False)
        except OSError as error:
            raise MinimgError("MINIMG-E031", self.path, f"it does not run: {error}") from None
        said = done.stdout.decode("utf-8", "replace").strip()
        version = _VERSION.search(said)
        if version is None or (int(version[1]), int(version[2])) < OLDEST:
            raise MinimgError(
                "MINIMG-E031", self.path, f"its version is {said!r}", _INSTALL.format(*OLDEST)
            )

    def copy(self, source: str, destination: str, *options: str, quiet: bool = False) -> str:
        """Copies without changing a byte, and returns the manifest's digest.

        Raises Failed; what skopeo complains of has been printed then, unless `quiet`.
        """
        with tempfile.TemporaryDirectory() as folder:
            digest = os.path.join(folder, "digest")
            arguments = (
                # The image was made here: whom the machine trusts to pull from is not the question.
                "--insecure-policy",
                "copy",
                "--preserve-digests",
                f"--retry-times={self.retries}",
                f"--digestfile={digest}",
                *options,
                source,
                destination,
            )
            # Its progress goes where the user looks; its complaints too, and they are read here.
            with subprocess.Popen([self.path, *arguments], stderr=subprocess.PIPE) as process:
                words = _overheard(process, quiet)
            if process.returncode != 0:
                raise Failed(words)
            with open(digest, encoding="ascii") as file:
                return file.read().strip()

    def manifest(self, reference: str) -> bytes | None:
        """The bytes of a manifest or list in a registry; None where it is not. Raises Failed."""
        done = subprocess.run(
            [
                self.path,
                "inspect",
                "--raw",
                f"--retry-times={self.retries}",
                f"docker://{reference}",
            ],
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
        words = done.stderr.decode("utf-8", "replace")
        if _ABSENT.search(words):
            return None
        sys.stderr.write(words)
        raise Failed(words)


def _overheard(process: subprocess.Popen[bytes], quiet: bool) -> str:
    """What a process says on standard error, which is passed on line by line unless `quiet`."""
    assert process.stderr is not None
    lines = []
    for raw in process.stderr:
        line = raw.decode("utf-8", "replace")
        lines.append(line)
        if not quiet:
            sys.stderr.write(line)
            sys.stderr.flush()
    return "".join(lines)


@dataclass(frozen=True)
class Pushed:
    """What is pushed: an OCI layout, the tag of the image or index in it, and that one's digest.

    `address` is of the target that it is made of.
    """

    address: str
    layout: str
    tag: str
    digest: str


def push(skopeo: Skopeo, image: Pushed, location: str, tag: str) -> None:
    """Push to `location:tag`; blobs that the registry has are not sent again.

    Raises MinimgError MINIMG-E034.
    """
    reference = f"{location}:{tag}"
    try:
        # `--all`: an index with all of its images.
        source = f"oci:{image.layout}:{image.tag}"
        digest = skopeo.copy(source, f"docker://{reference}", "--all")
    except Failed as failed:
        raise MinimgError(
            "MINIMG-E034", image.address, f"{reference} was not pushed", _remedy(failed, location)
        ) from None
    if digest != image.digest:
        raise MinimgError(
            "MINIMG-E034",
            image.address,
            f"{reference} was pushed as {digest}, where {image.digest} was built",
        )


def attach(skopeo: Skopeo, address: str, location: str, layout: str) -> None:
    """Push the artifact in `layout`, and have it in the list of the image that it refers to.

    `address` is of the target that the image is made of. Raises MinimgError MINIMG-E035, and E001
    when `layout` is no output of `referrer`.
    """
    descriptor, subject = _artifact(layout)
    artifact = f"{location}@{descriptor['digest']}"
    # skopeo does not say whether a registry keeps such lists by itself, so the tag is always kept:
    # where there are lists it is one tag more, and harmless.
    listing = f"{location}:{referrers.tag(subject)}"
    try:
        current = skopeo.manifest(listing)
        if referrers.listed_with(current, descriptor) is None:
            return
        skopeo.copy(f"oci:{layout}", f"docker://{artifact}")
        _push_list(skopeo, current, descriptor, listing)
    except Failed as failed:
        raise MinimgError(
            "MINIMG-E035",
            address,
            f"{artifact} was not attached to the image, which is pushed",
            _remedy(failed, location, "Set `attach_sbom=False` if it takes no artifacts."),
        ) from None
    except ValueError as error:
        raise MinimgError(
            "MINIMG-E035",
            address,
            f"{listing} does not list what is attached to the image: {error}",
            "Take that tag away, or set `attach_sbom=False`.",
        ) from None


def _artifact(layout: str) -> tuple[dict[str, Any], str]:
    """Its descriptor, and the digest of the image that it refers to."""
    path = os.path.join(layout, "index.json")
    with jsonfile.reading(path):
        with open(path, "rb") as file:
            (descriptor,) = jsonfile.parse(file.read())["manifests"]
        with open(os.path.join(layout, oci.blob_path(descriptor["digest"])), "rb") as file:
            return descriptor, str(jsonfile.parse(file.read())["subject"]["digest"])


def _push_list(
    skopeo: Skopeo, current: bytes | None, descriptor: dict[str, Any], reference: str
) -> None:
    """Push the list with one more in it. Raises Failed, its words printed."""
    # A skopeo that does not know of artifact types would lose them, and refuses. Then the one that
    # is new goes without: its manifest has it too. Those of others are never lost.
    untyped = {key: value for key, value in descriptor.items() if key != "artifactType"}
    failures = []
    for each in (descriptor, untyped):
        index = referrers.listed_with(current, each)
        assert index is not None
        with tempfile.TemporaryDirectory() as folder:
            for name, content in referrers.layout([index.descriptor()], [index]).items():
                jsonfile.write(os.path.join(folder, name), content)
            source, destination = f"oci:{folder}", f"docker://{reference}"
            try:
                # What it lists is in the registry already, and not here.
                skopeo.copy(source, destination, "--multi-arch=index-only", quiet=True)
                return
            except Failed as failed:
                failures.append(failed)
        if not failures[-1].rewrites:
            break
    sys.stderr.write(failures[-1].words)
    raise failures[-1]


def _remedy(failed: Failed, location: str, otherwise: str = "") -> str:
    if failed.refused:
        host = location.partition("/")[0]
        return f"Log in: `skopeo login {host}`. Why, skopeo says above."
    if failed.rewrites:
        return f"A newer skopeo keeps what others have attached to it. {otherwise}"
    return f"Why, skopeo says above. {otherwise}".strip()


def surroundings(environment: MutableMapping[str, str], folders: Sequence[str]) -> None:
    """Takes variables away that name a folder which is not there: skopeo would stop at them."""
    for name in folders:
        if name in environment and not os.path.isdir(environment[name]):
            del environment[name]
