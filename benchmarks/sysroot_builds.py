"""Our side: builds from the committed lock, a lock that grows by a package, sizes."""

from __future__ import annotations

import operator
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import image_file, measure
from benchmarks.measure import Times, paired
from benchmarks.ours import HLINT_AND_GIT, Caches, Ours
from benchmarks.sysroot_packages import Archive, architecture

FLAGSHIP = "//tools:hlint_image_plain"
FLAGSHIP_PACKAGES = ("hlint", "git")
FOLDER = "benchmark-sysroot"
# One package more, which needs nothing that is not there.
PACKAGES = ("ca-certificates", "curl", "git", "hlint", "python3")
ADDED = "tree"
REACHES, NARROW = f"//{FOLDER}:all_packages", f"//{FOLDER}:two_packages"
_RAN = re.compile(r"Running (.*) under semaphore with concurrency id")
_FETCHED = re.compile(r"Downloading: (\S+)")

BUILD = f"""\
{HLINT_AND_GIT}
debian_sysroot(
    name="packages",
    suites=["@SUITE@"],
    architectures=["@ARCHITECTURE@"],
    packages=@PACKAGES@,
    lockfile="packages.lock",
)
minimal_docker_image(name="all_packages", sysroot=":packages", **HLINT_AND_GIT)
minimal_docker_image(
    name="two_packages", sysroot=":packages", packages=["hlint", "git"], **HLINT_AND_GIT
)
"""
SIZES_FOLDER = "benchmark-sizes"
SIZES_BUILD = f"""\
{HLINT_AND_GIT}
for name, fields in {{
    "plain": {{"package_records": False}},
    "plain_records": {{}},
    "packed": {{"package_records": False, "upx": True}},
    "packed_records": {{"upx": True}},
}}.items():
    minimal_docker_image(
        name=name,
        sysroot="//sysroots:bookworm",
        packages=["hlint", "git"],
        repository=f"minimg-benchmark/{{name}}",
        **fields,
        **HLINT_AND_GIT,
    )
"""


@dataclass
class Change:
    """What one way to run Pants takes around a package that is added, in seconds."""

    no_op: Times = field(default_factory=Times)
    changed: Times = field(default_factory=Times)

    def ratio(self) -> float | None:
        return paired(self.changed, self.no_op, operator.truediv)


class Growing:
    """A lock that gets one more package, before images that may use all and two of them."""

    def __init__(
        self,
        ours: Ours,
        archive: Archive,
        suite: str,
        scratch: Path,
        say: Callable[[str], None],
    ) -> None:
        self.ours, self.scratch, self.say, self.suite = ours, scratch, say, suite
        self.options = (archive.option(),)
        self.folder = ours.root / FOLDER
        self.locks = {names: scratch / f"{len(names)}.lock" for names in self._both()}
        for names, lock in self.locks.items():
            archive.lock(suite, names, lock)
            archive.fetch(archive.scope(lock))
        self.changes = {
            (target, pantsd): Change() for target in (REACHES, NARROW) for pantsd in (False, True)
        }
        self.ran: dict[str, list[str]] = {}
        self.fetched: dict[str, list[str]] = {}

    @staticmethod
    def _both() -> tuple[tuple[str, ...], tuple[str, ...]]:
        return PACKAGES, (*PACKAGES, ADDED)

    def write(self, grown: bool) -> None:
        names = self._both()[grown]
        text = BUILD.replace("@SUITE@", self.suite).replace("@ARCHITECTURE@", architecture())
        self.folder.mkdir(exist_ok=True)
        (self.folder / "BUILD").write_text(text.replace("@PACKAGES@", repr(list(names))))
        shutil.copy(self.locks[names], self.folder / "packages.lock")

    def prepare(self, primed: Caches) -> None:
        """Builds both images of the small lock, and asks Pants what it runs for the grown one."""
        self.base = primed.copied(self.scratch / "store-grows")
        self.write(grown=False)
        for target in (REACHES, NARROW):
            self.ours.package(target, self.base, False, self.options)
        for target in (REACHES, NARROW):
            caches = self.base.copied(self.scratch / "store-counted")
            self.write(grown=False)
            always = _RAN.findall(self._log(target, caches))
            self.write(grown=True)
            log = self._log(target, caches)
            self.ran[target] = [name for name in _RAN.findall(log) if name not in always]
            urls = dict.fromkeys(_FETCHED.findall(log))
            self.fetched[target] = [url.rpartition("/")[2] for url in urls]
            shutil.rmtree(caches.store)

    def _log(self, target: str, caches: Caches) -> str:
        command = self.ours.command(target, caches, False, (*self.options, "--level=debug"))
        return measure.run_and_read(command, self.ours.root)[1]

    def round(self, number: int) -> None:
        for target, pantsd in sorted(self.changes, reverse=bool(number % 2)):
            change = self.changes[target, pantsd]
            caches = self.base.copied(self.scratch / "store-changed")
            self.write(grown=False)
            for _ in range(2 if pantsd else 1):
                no_op = self.ours.package(target, caches, pantsd, self.options)
            change.no_op.add(no_op)
            self.write(grown=True)
            change.changed.add(self.ours.package(target, caches, pantsd, self.options))
            self.say(f"{target} with a package more: {change.changed.runs[-1]:.2f} s")
            self.ours.stop()
            shutil.rmtree(caches.store, ignore_errors=True)

    def only_the_new_one(self) -> bool:
        """Whether nothing but the added package was fetched and unpacked."""
        unpacked = [name for name in self.ran[REACHES] if name.startswith("Unpack ")]
        names = [name.split()[1] for name in unpacked]
        names += [file.partition("_")[0] for file in self.fetched[REACHES]]
        return names == [ADDED, ADDED]


def sizes(
    ours: Ours, caches: Caches, options: Sequence[str], say: Callable[[str], None]
) -> dict[str, image_file.Sizes]:
    """Of the flagship with UPX and without, with records of packages and without."""
    folder = ours.root / SIZES_FOLDER
    folder.mkdir()
    (folder / "BUILD").write_text(SIZES_BUILD)
    found = {}
    for name in ("plain", "plain_records", "packed", "packed_records"):
        target = f"//{SIZES_FOLDER}:{name}"
        say(f"{target}: {ours.package(target, caches, False, options):.2f} s")
        found[name] = image_file.sizes(ours.product(target))
    return found
