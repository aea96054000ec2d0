"""Runs the peers' rows: builds, rebuilds, sizes, a start of the result."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import image_file, measure
from benchmarks.engine import Engine
from benchmarks.peers.peer import PROGRAMS, Peer


@dataclass
class Row:
    """One line of the table. `why_not` is set when it did not run."""

    name: str
    upx: bool
    ours: bool = False
    cold: measure.Times = field(default_factory=measure.Times)
    no_op: measure.Times = field(default_factory=measure.Times)
    digests: list[str] = field(default_factory=list)
    sizes: image_file.Sizes | None = None
    engine_size: int | None = None
    from_engine: bool = False
    loaded_by: str | None = None
    failures: dict[str, str] = field(default_factory=dict)
    tried: bool = False
    why_not: str | None = None
    note: str = ""

    @property
    def starts(self) -> bool:
        return self.tried and not self.failures

    @property
    def wire(self) -> int | None:
        """Bytes of the layers as the tool leaves them; an engine compresses as it pushes."""
        if self.sizes is None:
            return None
        return self.sizes.alike if self.from_engine else self.sizes.stored


def version(peer: Peer) -> str:
    told = measure.first_line(peer.version_command) if peer.version_command else None
    if told is None and (found := shutil.which(peer.program)):
        # magicpak has no --version; `cargo install` leaves a list two folders up.
        listing = Path(found).resolve().parent.parent / ".crates.toml"
        if listing.is_file():
            name = peer.program.rpartition("/")[2]
            hit = re.search(rf'"({re.escape(name)} [0-9.]+)', listing.read_text())
            told = hit.group(1) if hit else None
    return told or f"{peer.name.split()[0]}, version not told"


def why_not(peer: Peer, engine: Engine | None, slow: bool) -> str | None:
    """Why a row cannot run here, None when it can."""
    if shutil.which(peer.program) is None:
        return f"{peer.program.rpartition('/')[2]} not found"
    if peer.upx and shutil.which("upx") is None:
        return "upx not found"
    if peer.needs_engine and engine is None:
        return "needs a container engine"
    if peer.slow and not slow:
        return f"only with --slow: {peer.note}"
    return None


def one_round(peer: Peer, row: Row, engine: Engine | None, scratch: Path) -> None:
    """Builds in an empty folder, and (not what is slow) again on top of the result."""
    with tempfile.TemporaryDirectory(dir=scratch) as text:
        folder = Path(text)
        if engine is not None and peer.tag is not None:
            engine.forget(peer.tag)
        row.cold.add(_build(peer, folder))
        if not peer.has_image:
            return
        _look(peer, row, engine, folder)
        if not peer.slow:
            row.no_op.add(_build(peer, folder))
            row.digests.append(_digest(peer, engine, folder))
        if engine is not None and peer.tag is not None:
            # The rebuild took the name away from the first image.
            for image in (peer.tag, *row.digests[-2:]):
                engine.forget(image)


def _build(peer: Peer, folder: Path) -> float:
    try:
        return sum(measure.run(step, folder, peer.env) for step in peer.steps)
    except measure.CommandFailed as error:
        raise measure.CommandFailed(peer.anonymous(str(error)).replace(str(folder), ".")) from None


def _digest(peer: Peer, engine: Engine | None, folder: Path) -> str:
    if peer.tag is not None:
        assert engine is not None
        return engine.inspect(peer.tag, "Id") or "?"
    assert peer.archive is not None
    return image_file.digest(folder / peer.archive)


def _look(peer: Peer, row: Row, engine: Engine | None, folder: Path) -> None:
    row.digests.append(_digest(peer, engine, folder))
    if row.sizes is not None:
        return
    if peer.tag is not None:
        assert engine is not None
        saved = folder / "saved.tar"
        engine.save(peer.tag, saved)
        row.sizes, row.from_engine = image_file.sizes(saved), True
        saved.unlink()
        try_start(row, engine, peer.tag)
        return
    assert peer.archive is not None
    look_at_archive(row, folder / peer.archive, engine)


def look_at_archive(row: Row, archive: Path, engine: Engine | None) -> None:
    row.sizes = image_file.sizes(archive)
    if engine is None:
        return
    tag = "minimg-benchmark/loaded:latest"
    loaded = engine.load(archive, tag)
    if loaded is None:
        row.tried, row.failures = True, {"image": f"{engine.program} cannot load it"}
        return
    row.loaded_by = loaded.how
    try_start(row, engine, loaded.reference)
    engine.forget(loaded.reference)


def try_start(row: Row, engine: Engine, reference: str) -> None:
    size = engine.inspect(reference, "Size")
    row.engine_size = int(size) if size else None
    row.tried = True
    for program in PROGRAMS:
        words = engine.starts(reference, program)
        if words is not None:
            row.failures[program] = words
