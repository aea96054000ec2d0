"""What the search for secrets says of a machine's programs and libraries, of ten that were planted
among them, and what it costs beside sha256 of the same bytes.

Run from the repository's root: `python3 -m benchmarks.secrets --help`; see README.md.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import command, measure, pages
from benchmarks.machine import describe
from benchmarks.measure import Times
from benchmarks.record import Aim, Record
from benchmarks.report import aims_table, speeds_table
from pants_plugin_minimg.bundler.planning import credentials

PAGE = pages.SECRETS
_CHUNK = 1 << 20


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.secrets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--without",
        action="append",
        default=["/usr/lib/google-cloud-sdk"],
        help="folders of software that is not the distribution's",
    )
    parser.add_argument("folders", nargs="*", default=["/usr/bin", "/usr/lib"])
    command.add_options(parser, PAGE)
    return command.parse(parser, arguments)


def lacking() -> list[str]:
    return [name for name in ("openssl", "ssh-keygen") if shutil.which(name) is None]


def files(folders: Sequence[str], without: Sequence[str]) -> Iterator[str]:
    """Each regular file once."""
    seen = set()
    for top in folders:
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if os.path.join(folder, name) not in without]
            for name in sorted(names):
                path = os.path.join(folder, name)
                stat = os.lstat(path)
                if os.path.isfile(path) and not os.path.islink(path):
                    if (stat.st_dev, stat.st_ino) not in seen and os.access(path, os.R_OK):
                        seen.add((stat.st_dev, stat.st_ino))
                        yield path


def told(path: str, of_sysroot: bool = True) -> list[str]:
    """What is said of a file, by its name and by its content."""
    name = credentials.by_name(os.fsencode(path))
    with open(path, "rb") as file:
        found = [finding.what for finding in credentials.findings(file, of_sysroot=of_sysroot)]
    return ([name] if name else []) + found


def plant(folder: Path) -> list[str]:
    """Ten secrets as their tools write them, each in a file of its own."""
    folder.mkdir()
    rng = random.Random(1)

    def word(size: int) -> str:
        return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(size))

    def run(*arguments: str) -> None:
        subprocess.run(arguments, check=True, capture_output=True, cwd=folder)

    run("openssl", "genrsa", "-out", "server.pem", "2048")
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.pem")
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem")
    run("openssl", "genrsa", "-aes256", "-passout", "pass:x", "-out", "encrypted.pem", "2048")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "host_key")
    (folder / "host_key.pub").unlink()
    key = (folder / "server.pem").read_text()
    account = {"type": "service_account", "private_key": key, "client_email": "x@y"}
    (folder / "account.json").write_text(json.dumps(account, indent=2))
    program = Path("/bin/sh").read_bytes() + key.encode() + bytes(1000)
    (folder / "program").write_bytes(program)
    (folder / "credentials").write_text(
        f"[default]\naws_access_key_id = AKIA{word(16).upper()}\n"
        f"aws_secret_access_key = {word(40)}\n"
    )
    (folder / ".netrc").write_text(f"machine x login y password {word(12)}\n")
    (folder / ".docker").mkdir()
    login = base64.b64encode(b"user:" + word(12).encode()).decode()
    (folder / ".docker" / "config.json").write_text(json.dumps({"auths": {"x": {"auth": login}}}))
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


class Job:
    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.load = os.getloadavg()[0]
        self.ours, self.floor = Times(), Times()

    def prepare(self) -> None:
        self.paths = list(files(self.options.folders, self.options.without))
        self.size = sum(os.path.getsize(path) for path in self.paths)
        self.planted = plant(self.scratch / "planted")
        self.found = [path for path in self.planted if told(path, of_sysroot=False)]
        self.wrong = [(path, what) for path in self.paths for what in told(path)]

    def run(self) -> None:
        for number in range(self.options.rounds):
            command.say(f"round {number + 1}")
            pairs: list[tuple[Times, Callable[[str], object]]] = [
                (self.ours, told),
                (self.floor, _sha256),
            ]
            for times, job in pairs:
                start = time.perf_counter()
                for path in self.paths:
                    job(path)
                times.add(time.perf_counter() - start)

    def stop(self) -> None:
        pass

    def page(self) -> str:
        date = f" on {self.options.date}" if self.options.date else ""
        wrong = "\n".join(f"- `{path}`: {what}" for path, what in self.wrong)
        folders = " and ".join(self.options.folders)
        parts = [
            "# Benchmarks of the search for secrets",
            "Written by `python3 -m benchmarks.secrets`; benchmarks/README.md says how to run it.",
            f"Measured{date}. {describe()}. Load average before the start: {self.load:.1f}. "
            f"Rounds: {self.options.rounds}; figures are medians. {len(self.paths)} files of "
            f"{folders}, {self.size / 1e6:.0f} MB.",
            self._table(),
            *([f"Told, and wrong or worth a look:\n\n{wrong}"] if wrong else []),
            "## What we set ourselves",
            aims_table(self.record().aims),
        ]
        return "\n\n".join(parts) + "\n"

    def _table(self) -> str:
        rows = {
            "the search": self.ours,
            "floor: sha256 of the same files, in the same Python": self.floor,
        }
        return speeds_table({name: times.median or 0.0 for name, times in rows.items()}, self.size)

    def record(self) -> Record:
        ratio = measure.paired(self.ours, self.floor, lambda a, b: a / b) or 0.0
        return Record(
            (
                Aim("findings in these files: none", str(len(self.wrong)), not self.wrong),
                Aim(
                    "of ten planted ones found: all",
                    f"{len(self.found)} of {len(self.planted)}",
                    self.found == self.planted and len(self.planted) == 10,
                ),
                Aim("the search ÷ sha256 ≤ 3", f"{ratio:.2f}", ratio <= 3),
            ),
            self._table(),
        )


def _sha256(path: str) -> None:
    state = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            state.update(chunk)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return command.run(options, lacking(), partial(Job, options), PAGE)


if __name__ == "__main__":
    sys.exit(main())
