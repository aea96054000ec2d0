"""What the long benchmarks hand over, of figures that nobody measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from benchmarks import (
    closure,
    main_job,
    python_images,
    python_peers,
    scale,
    scale_repository,
    sysroots,
)
from benchmarks.chart import svg
from benchmarks.image_file import Sizes
from benchmarks.measure import Times
from benchmarks.ours import PLAIN, RECORDS, UPX, Caches, Ours
from benchmarks.ours_times import FirstTimes, OurTimes, Times4
from benchmarks.peers.peer import Peer
from benchmarks.record import Aim, Figures, Line, NotRun, Record
from benchmarks.report import aims_table, figures_table, picture
from benchmarks.rows import Row
from benchmarks.sysroot_peers import LOCAL

NOWHERE = "/nonexistent/program"


def times(*seconds: float) -> Times:
    return Times(list(seconds))


def sizes(disk: int, wire: int) -> Sizes:
    return Sizes(wire, True, wire, disk, 3, "sha256:0")


def our_times(target: str, without: Times4, with_daemon: Times4) -> OurTimes:
    found = OurTimes(cast(Ours, None), target, Path(NOWHERE), print)
    found.without_daemon, found.with_daemon = without, with_daemon
    return found


def way(cold: float, archive_cold: float, no_op: float, archive_no_op: float) -> Times4:
    return Times4(times(archive_cold), times(cold), times(archive_no_op), times(no_op))


def peer(name: str, upx: bool = False, slow: bool = False) -> Peer:
    return Peer(name=name, program=NOWHERE, steps=((NOWHERE,),), upx=upx, slow=slow, tag="a:b")


@pytest.fixture
def main(tmp_path: Path) -> main_job.Job:
    """The main job after a round, without an engine."""
    job = main_job.Job(main_job.parse([f"--engine={NOWHERE}"]), tmp_path)
    assert job.engine is None
    job.first = FirstTimes(10.0, 25.0, Caches(tmp_path, tmp_path))
    for target, disk in ((PLAIN, 50_000_000), (UPX, 11_000_000), (RECORDS, 51_000_000)):
        found = our_times(target, way(20.0, 15.0, 15.5, 15.0), way(6.0, 2.0, 2.4, 2.0))
        both = []
        for name, measured in zip(main_job.WAYS, (found.without_daemon, found.with_daemon)):
            row = Row(f"{target}, {name}", target == UPX, ours=True, sizes=sizes(disk, 9_000_000))
            row.cold, row.no_op = measured.image_cold, measured.image_no_op
            both.append(row)
        job.ours.append((found, both))
    good = Row("dockerize2 --output-oci", False, sizes=sizes(50_260_000, 12_690_000))
    good.cold, good.no_op = times(8.0), times(7.0)
    bad = Row("shell lines", False, sizes=sizes(1_000_000, 500_000), tried=True)
    bad.cold, bad.failures = times(1.0), {"/usr/bin/git": "no such file"}
    job.peers = [
        (peer(good.name), good),
        (peer(bad.name), bad),
        (peer("magicpak"), Row("magicpak", False, why_not="magicpak not found")),
        (peer("slow one", True, True), Row("slow one", True, why_not="only with --slow: long")),
    ]
    return job


def test_the_main_job_hands_over_what_a_user_would_ask_for(main: main_job.Job) -> None:
    assert main.record().figures == (
        Figures("**this**, without pantsd", "50.00", "9.00", "15.50 (15.00)", "20.00 (15.00)"),
        Figures("**this**, with pantsd", "50.00", "9.00", "2.40 (2.00)", "6.00 (2.00)"),
        Figures("dockerize2 --output-oci", "50.26", "12.69", "7.00", "8.00"),
        Figures("**this**, UPX, without pantsd", "11.00", "9.00", "15.50 (15.00)", "20.00 (15.00)"),
        Figures("**this**, UPX, with pantsd", "11.00", "9.00", "2.40 (2.00)", "6.00 (2.00)"),
    )
    text = figures_table(main.record().figures)
    assert "| dockerize2 --output-oci | 50.26 | 12.69 | 7.00 | 8.00 |" in text.splitlines()


def test_the_main_job_says_what_it_could_not_run(main: main_job.Job) -> None:
    expected = [
        NotRun("magicpak", "magicpak not found"),
        NotRun("loading and starting", f"no {NOWHERE} answers"),
    ]
    assert list(main.record().not_run) == expected
    main.options.slow = True
    assert NotRun("slow one", "only with --slow: long") in main.record().not_run


def test_the_page_of_the_main_job_has_its_aims(main: main_job.Job) -> None:
    aims = main.record().aims
    assert Aim("plain, with pantsd: beyond ÷ dockerize2 --output-oci ≤ 0.30", "0.50", False) in aims
    assert Aim("plain, with pantsd: no-op ÷ an archive's ≤ 1.10", "1.20", False) in aims
    assert Aim("UPX: size on disk below dockerize2's", "its row was not run", None) in aims
    assert f"## What we set ourselves\n\n{aims_table(aims)}\n" in main.page()


def test_scale_hands_over_its_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_CORES", 2)
    job = scale.Job(scale.parse(["--counts", "10", "1"]), tmp_path)
    job.version, job.empty = "Pants 2", 0.1
    for count in (10, 1):
        one = scale.Measured(colds=times(20.0 * count), one_changed_time=3.0)
        one.cold_empties, one.compression = times(10.0 * count), 4.0 * count
        one.layout_store, one.distinct = 11 * count, 10 * count
        one.processes = Counter({"plan": count, "layer": 2 * count})
        one.one_changed = Counter({"plan": 1})
        one.no_op = {True: times(2.0, 2.5, 3.0), False: times(15.0)}
        one.archive = {True: times(2.0, 2.0, 2.0), False: times(15.0)}
        one.declared, one.beside_declared = times(2.1, 2.1), times(2.0, 2.0)
        job.found[count] = one
    record = job.record()
    assert record.chart is not None and record.chart.log
    assert record.chart.lines == (
        Line("cold, without pantsd", ((1, 20.0), (10, 200.0))),
        Line("one changed, with pantsd", ((1, 3.0), (10, 3.0))),
        Line("nothing changed, with pantsd", ((1, 2.5), (10, 2.5))),
        Line("nothing changed, as many archives, with pantsd", ((1, 2.0), (10, 2.0)), floor=True),
    )
    assert svg(record.chart)
    page = job.page()
    assert picture(scale.PAGE, record.chart) in page
    assert record.table in page and aims_table(record.aims) in page
    one_store = "10: the store grows by layouts ÷ their distinct bytes ≤ 1.2"
    assert Aim(one_store, "1.10", True) in record.aims
    declared = "10: no-op of a declared sysroot ÷ archives', with pantsd ≤ 1.10"
    assert Aim(declared, "1.05", True) in record.aims
    # 180 s beyond one: 90 of empty processes by Pants and 18 of compression on two cores, or 27 of
    # 0.1 s each and 36 of compression on one.
    beyond = "10: beyond one image ÷ (empty processes {} + compression) ≤ 1.5"
    assert Aim(beyond.format("that Pants runs"), "1.67", False) in record.aims
    assert Aim(beyond.format("by themselves"), "4.65", False) in record.aims
    assert Aim("10: no-op ÷ archives', with pantsd ≤ 1.10", "1.25", False) in record.aims


def test_a_peer_that_is_there_and_does_not_run_is_not_measured(tmp_path: Path) -> None:
    script = tmp_path / "lddtree"
    script.write_text("#!/bin/sh\necho no module >&2\nexit 1\n")
    script.chmod(0o755)
    job = closure.Job(closure.parse([f"--lddtree={script}"]), tmp_path)
    assert job.version is None
    assert job.record().not_run == (NotRun("lddtree", f"{script} does not run"),)


@pytest.fixture
def closures(tmp_path: Path) -> closure.Job:
    job = closure.Job(closure.parse([f"--lddtree={NOWHERE}"]), tmp_path)
    job.peak, job.loaded = 27_000_000, 100
    job.times.update(ours=times(0.5), traced=times(4.0), ldd=times(8.0))
    job.start, job.empty = times(0.05), times(0.02)
    for count in closure.GROWTH:
        job.growth.chain[count], job.growth.star[count] = times(count / 1000), times(count / 2000)
    return job


def test_the_closure_hands_over_its_growth(closures: closure.Job) -> None:
    record = closures.record()
    assert record.chart is not None and not record.chart.log
    assert [line.points for line in record.chart.lines] == [
        ((2500, 2.5), (5000, 5.0), (10000, 10.0)),
        ((2500, 1.25), (5000, 2.5), (10000, 5.0)),
    ]
    page = closures.page()
    assert picture(closure.PAGE, record.chart) in page
    assert record.table in page and aims_table(record.aims) in page


def test_a_peer_that_is_not_there_leaves_its_aim_unmeasured(closures: closure.Job) -> None:
    record = closures.record()
    assert Aim("lddtree, a call a file ÷ ours ≥ 50", "not measured", None) in record.aims
    assert Aim("one traced loader call a file ÷ ours ≥ 5", "8.0", True) in record.aims
    assert record.not_run == (NotRun("lddtree", f"{NOWHERE} not found"),)


def test_sysroots_hand_over_their_aims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysroots, "Ours", lambda *_: None)
    job = sysroots.Job(sysroots.parse([f"--engine={NOWHERE}"]), tmp_path)
    job.pants = "Pants 2"
    assert job.record() == Record(())
    job.builds[LOCAL] = our_times(PLAIN, way(20, 15, 15.0, 15.0), way(6, 2, 2.4, 2.0))
    job.peers = [(None, Row("docker build", False, why_not="needs a container engine"))]
    record = job.record()
    assert [(aim.measured, aim.met) for aim in record.aims] == [("1.00", True), ("1.20", False)]
    assert record.not_run == (NotRun("docker build", "needs a container engine"),)
    assert f"## What we set ourselves\n\n{aims_table(record.aims)}\n" in job.page()


@pytest.fixture
def images(tmp_path: Path) -> python_images.Job:
    """Python images of 20 MB on the wire, 10 with the least of the library, that start in 50 ms
    with byte code and in 200 ms without; one of two PEX files was made."""
    job = python_images.Job(python_images.parse([]), tmp_path)
    for library in python_images.LIBRARIES:
        for compiled, start in ((False, 0.2), (True, 0.05)):
            wire = 10_000_000 if library == "reachable" else 20_000_000
            row = python_images.Row(2 * wire, wire, 9, 1.5, tmp_path, [start])
            job.rows[library, compiled] = row
    made = python_peers.Peer("a PEX file", 100_000_000, 40_000_000, 4000, True, tmp_path)
    made.starts, made.again = [0.5], [0.25]
    job.peers = [made, python_peers.Peer("another", why_not="needs root")]
    return job


@pytest.mark.skipif(not Path(python_images.PYTHON).exists(), reason="no Python of the system")
def test_python_images_stand_beside_a_pex_file(images: python_images.Job) -> None:
    record = images.record()
    assert Aim("`default` ÷ a PEX file, on the wire < 1", "0.50", True) in record.aims
    assert Aim("start of `default` ÷ a PEX file < 1", "0.10", True) in record.aims
    assert record.not_run == (NotRun("another", "needs root"),)
    assert (
        "| a PEX file | of the library | 4000 | 100.0 | 40.0 | 500, again 250 | – |" in record.table
    )
    assert "| another | – | not run: needs root |" in record.table
    page = images.page()
    assert record.table in page and aims_table(record.aims) in page


def test_cited_sizes_are_no_measured_ones(images: python_images.Job) -> None:
    section = python_peers.cited()
    for tag, sizes in python_peers.CITED.items():
        for cited in sizes:
            assert cited.commit in section and cited.date in section
        assert f"python:{tag}" not in images.record().table
    assert "cited, not measured" in section


def test_why_a_pex_file_was_not_made_names_no_mirror(tmp_path: Path) -> None:
    words = python_peers.hidden(f"`cp {tmp_path}/a https://m.example/x`: a | b", tmp_path)
    assert words == "`cp ./a $MIRROR a / b"


def test_distinct_bytes_are_of_programs_and_layouts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the images holds their BUILD file and a root file system, too."""
    monkeypatch.setattr(scale_repository, "programs", lambda: iter([Path("/bin/true")]))
    monkeypatch.setattr(scale_repository, "write_root", lambda tar, _: tar.write_bytes(b"x" * 999))
    layouts = scale_repository.Images(tmp_path, 2, "oci-layout")
    blob = tmp_path / "dist" / layouts.name / "image_0" / "blob"
    job = scale.Job(scale.parse([]), tmp_path)
    caches = SimpleNamespace(store=tmp_path / "store")
    caches.copied = lambda _: caches

    def package(*_: object) -> None:
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"layer")

    caches.store.mkdir()
    monkeypatch.setattr(job, "ours", SimpleNamespace(root=tmp_path))
    monkeypatch.setattr(job, "first", SimpleNamespace(primed=caches), raising=False)
    monkeypatch.setattr(job, "_package", package)
    programs = sum(layouts.program(number).stat().st_size for number in (0, 1))
    assert job._stored(layouts)[1] == programs + 5
