"""The options of `[minimg-debian]`: where packages come from, and who signs for them."""

from __future__ import annotations

from pants.option.option_types import StrListOption, StrOption
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap


class DebianSubsystem(Subsystem):
    options_scope = "minimg-debian"
    name = "Debian packages"
    help = "Where `debian_sysroot` targets take their packages from."

    mirrors = StrListOption(
        help=softwrap(
            """
            Base URLs of mirrors, tried in their order: what stands before `dists/` and `pool/`.
            `{timestamp}` in one is replaced by the time that a lock was written at, for archives
            that keep every version. A `file:` URL names a folder.

            By default the apt sources of this machine, for suites that they name.

            Example: `mirrors = ["https://mirror.example.org/debian"]`.
            """
        ),
    )
    keyrings = StrListOption(
        help=softwrap(
            """
            Files with the keys that `generate-lockfiles` trusts to sign an archive, absolute or
            relative to the build root. By default those of this machine: the archive keyrings in
            `/usr/share/keyrings`, apt's own, and those that its sources name.

            Example: `keyrings = ["build-support/debian-archive-keyring.gpg"]`.
            """
        ),
    )
    timestamp = StrOption(
        default=None,
        help=softwrap(
            """
            The time that `generate-lockfiles` fills `{timestamp}` in `mirrors` with. By default
            the present.

            Example: `timestamp = "20251101T000000Z"`.
            """
        ),
        advanced=True,
    )


def rules():  # type: ignore[no-untyped-def]
    return [*DebianSubsystem.rules()]
