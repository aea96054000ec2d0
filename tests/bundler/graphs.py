"""Random libraries that need each other, on disk, for comparison with a real loader."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .elf_builder import AUXILIARY, FILTER, GLIBC, NEEDED, NODEFLIB, Spec, build


@dataclass
class Graph:
    """`auxiliary`: names asked for by DT_AUXILIARY, which may be missing without harm."""

    folder: Path
    main: bytes
    library_path: bytes = b""
    auxiliary: set[bytes] = field(default_factory=set)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


class _Maker:
    def __init__(self, folder: Path, seed: int, interpreter: bytes) -> None:
        self.random = random.Random(seed)
        self.glibc = interpreter == GLIBC
        self.folder = folder
        self.base = os.fsencode(folder)
        count = self.random.randint(2, 9)
        self.names = [b"libq%d.so" % index for index in range(count)]
        self.folders = [b"a", b"b", b"a/sub", b"c"]
        self.files: list[bytes] = []
        self.graph = Graph(folder, self.base + b"/bin/main")
        self.interpreter = interpreter

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def make(self) -> Graph:
        for name in (b"bin", *self.folders):
            os.makedirs(self.base + b"/" + name)
        os.symlink(b"a", self.base + b"/linked")
        for name in self.names:
            for folder in self.random.sample(self.folders, self.random.randint(1, 3)):
                self.library(folder, name)
        for _ in range(self.random.randint(0, 2)):
            self.oddity()
        if self.chance(0.3):
            self.graph.library_path = self.search_path(main=True, library_path=True)
        self.write(b"bin/main", self.spec(main=True))
        return self.graph

    def write(self, path: bytes, spec: Spec) -> None:
        with open(self.base + b"/" + path, "wb") as file:
            file.write(build(spec))
        os.chmod(self.base + b"/" + path, 0o755)

    def library(self, folder: bytes, name: bytes) -> None:
        path = folder + b"/" + name
        choice = self.random.random()
        if choice < 0.1 and self.files:
            source = self.random.choice(self.files)
            os.symlink(self.base + b"/" + source, self.base + b"/" + path)
        elif choice < 0.2 and self.files:
            os.link(self.base + b"/" + self.random.choice(self.files), self.base + b"/" + path)
        elif choice < 0.3 and self.files:
            source = self.random.choice(self.files)
            shutil.copy(self.base + b"/" + source, self.base + b"/" + path)
        else:
            self.write(path, self.spec(main=False))
        self.files.append(path)

    def spec(self, *, main: bool) -> Spec:
        spec = Spec(needed=[self.need(main) for _ in range(self.random.randint(0, 4))])
        if main:
            spec.interp = self.interpreter
            spec.needed = [self.need(main) for _ in range(self.random.randint(1, 5))]
        elif self.chance(0.5):
            spec.soname = self.random.choice([*self.names, b"libother.so.1", b"libother.so.2"])
        if self.chance(0.75 if main else 0.35):
            spec.rpath = self.search_path(main)
        if self.chance(0.15 if main else 0.25):
            spec.runpath = self.search_path(main)
        if self.chance(0.1):
            spec.flags_1 = NODEFLIB
        return spec

    def need(self, main: bool) -> bytes | tuple[int, bytes]:
        name = self.random.choice(self.names)
        choice = self.random.random()
        if choice < 0.04:
            name = b"libother.so.%d" % self.random.randint(1, 2)
        elif choice < 0.08:
            name = self.base + b"/" + self.random.choice(self.folders) + b"/" + name
        elif choice < 0.11 and self.glibc:
            name = self.random.choice([b"$ORIGIN/", b"${ORIGIN}/../a/", b"$ORIGIN/$LIB/"]) + name
        elif choice < 0.13:
            name = b"libm.so.6" if self.glibc else b"libm.so"
        elif choice < 0.15:
            name = b"ld-linux-x86-64.so.2" if self.glibc else b"libc.so"
        tag = NEEDED
        if not main and self.chance(0.12):
            tag = self.random.choice([AUXILIARY, FILTER])
            if tag == AUXILIARY:
                self.graph.auxiliary.add(name)
        return tag, name

    def search_path(self, main: bool, library_path: bool = False) -> bytes:
        origin = b"$ORIGIN/.." if not library_path else self.base
        choices = [self.base + b"/" + folder for folder in self.folders]
        choices += [self.base + b"/linked", self.base + b"/nothing", self.base + b"/a/../c"]
        choices += [origin + b"/a", origin + b"/b/", origin + b"/linked/sub", origin + b"/$FOO"]
        if not library_path:
            choices += [b"$ORIGIN", b"${ORIGIN}", b"$ORIGIN/sub", self.base + b"/$ORIGINAL"]
        separator = b":" if not library_path else self.random.choice([b":", b";"])
        if library_path and not self.glibc:
            separator = b":"
        count = self.random.choice([0, 1, 1, 2, 2, 3])
        if library_path or main:
            count = max(count, 1)
        return separator.join(self.random.choice(choices) for _ in range(count))

    def oddity(self) -> None:
        """A file in the way that the loader skips, or stops at."""
        name = self.random.choice(self.names)
        path = self.base + b"/" + self.random.choice(self.folders) + b"/" + name
        kinds = ["class", "loop", "dangling", "text", "short", "exec", "dir"]
        if self.glibc:  # musl maps another machine's library and fails later
            kinds += ["machine", "endian"]
        kind = self.random.choice(kinds)
        if os.path.isdir(path) and not os.path.islink(path):
            return
        if os.path.lexists(path):
            os.unlink(path)
            self.files = [item for item in self.files if self.base + b"/" + item != path]
        if kind == "loop":
            os.symlink(name, path)
        elif kind == "dangling":
            os.symlink(b"nowhere", path)
        elif kind == "dir":
            os.mkdir(path)
        else:
            with open(path, "wb") as file:
                file.write(self.odd_content(kind))

    def odd_content(self, kind: str) -> bytes:
        if kind == "text":
            return b"/* GNU ld script */\nGROUP ( libc.so.6 )\n" + b" " * 64
        if kind == "short":
            return build(Spec())[:40]
        if kind == "class":
            return build(Spec(elfclass=32, machine=3))
        if kind == "machine":
            return build(Spec(machine=183))
        if kind == "endian":
            return build(Spec(endian="big"))
        return build(Spec(e_type=2))


def random_graph(folder: Path, seed: int, interpreter: bytes) -> Graph:
    return _Maker(folder, seed, interpreter).make()
