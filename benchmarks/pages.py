"""The pages in docs/, each with the script that measures it and what that script can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
#: Records and plots of the pages, a folder in docs/.
KEPT = "benchmarks"


@dataclass(frozen=True)
class Page:
    """`name` is the script's, `python3 -m benchmarks.NAME`; `options` are those that this script
    knows beside the ones that every script has, without the dashes."""

    name: str
    file: str
    what: str
    options: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return DOCS / self.file

    @property
    def chart(self) -> str:
        """The plot, as the page refers to it."""
        return f"{KEPT}/{self.name}.svg"

    @property
    def record(self) -> str:
        return f"{KEPT}/{self.name}.json"


_PEERS = ("dockerize", "elfpak", "magicpak")
MAIN_JOB = Page(
    "main_job",
    "benchmarks-main-job.md",
    "hlint and git as an image, plain and with UPX, beside the systems that do the same",
    ("upx-rounds", "slow", "engine", *_PEERS),
)
SYSROOTS = Page(
    "sysroots",
    "benchmarks-sysroots.md",
    "the same from locked packages, beside debootstrap and docker build; large sysroots",
    ("engine", "python"),
)
CLOSURE = Page(
    "closure",
    "benchmarks-closure.md",
    "which libraries all programs of the machine load, beside a traced loader, ldd and lddtree",
    ("lddtree",),
)
ASSEMBLY = Page(
    "assembly",
    "benchmarks-assembly.md",
    "from a plan to the tar, beside sha256sum and gzip of the same bytes",
    ("python",),
)
UPX = Page(
    "upx",
    "benchmarks-upx.md",
    "what each setting of UPX gains in bytes, and costs in time to start and in memory",
)
SECRETS = Page(
    "secrets",
    "benchmarks-secrets.md",
    "what the search for secrets says of a machine's files, beside sha256 of the same bytes",
)
SCALE = Page(
    "scale",
    "benchmarks-scale.md",
    "1 to 1,000 images: cold, unchanged, one changed, beside as many archives",
    ("counts",),
)
PYTHON_IMAGES = Page(
    "python_images",
    "benchmarks-python.md",
    "a Python program with all of the library or part of it, with byte code and without, beside a "
    "PEX file in a full image",
)
PAGES = (MAIN_JOB, SYSROOTS, CLOSURE, ASSEMBLY, UPX, SECRETS, SCALE, PYTHON_IMAGES)
