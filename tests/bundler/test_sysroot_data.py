"""Time zones and names of services: of the sysroot, where a preset or the environment asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import implied
from .implied import Bench
from .rootfs import Root

ZONES = "/usr/share/zoneinfo"


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    bench = Bench(root, tmp_path)
    bench.program()
    return bench


def zones(bench: Bench) -> None:
    for name in ("Europe/Berlin", "Asia/Tokyo", "right/UTC", "posix/Europe/Berlin", "tzdata.zi"):
        bench.root.file(f"{ZONES}/{name}", b"TZif2")
    bench.root.file(f"{ZONES}/Etc/UTC", b"TZif2")
    bench.root.link(f"{ZONES}/UTC", "Etc/UTC")


def below(found: dict[str, object], folder: str) -> list[str]:
    return sorted(path[len(folder) + 1 :] for path in found if path.startswith(folder + "/"))


def test_all_zones_come_once(bench: Bench) -> None:
    zones(bench)
    found = implied.entries(bench.plan(presets=["tzdata"], env={"TZ": "Asia/Tokyo"}))
    files = [path for path in below(dict(found), ZONES) if found[f"{ZONES}/{path}"].kind != "dir"]
    assert files == ["Asia/Tokyo", "Etc/UTC", "Europe/Berlin", "UTC", "tzdata.zi"]
    assert found[f"{ZONES}/Etc/UTC"].reasons[0].startswith("preset tzdata")


@pytest.mark.parametrize("value", ["Europe/Berlin", ":Europe/Berlin"])
def test_the_zone_of_the_environment_comes_by_itself(bench: Bench, value: str) -> None:
    zones(bench)
    plan = bench.plan(env={"TZ": value})
    assert below(dict(implied.entries(plan)), ZONES) == ["Europe/Berlin"]
    assert implied.entries(plan)[f"{ZONES}/Europe/Berlin"].reasons == [f"`env` says TZ={value}"]


def test_a_zone_that_is_a_link_comes_with_both_ends(bench: Bench) -> None:
    zones(bench)
    found = implied.entries(bench.plan(env={"TZ": "UTC"}))
    assert below(dict(found), ZONES) == ["Etc/UTC", "UTC"]


@pytest.mark.parametrize(
    "value",
    ["", "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "../../etc/shadow", "/etc/localtime", "a\tb"],
)
def test_what_names_no_zone_brings_nothing(bench: Bench, value: str) -> None:
    zones(bench)
    bench.root.file("/etc/shadow")
    plan = bench.plan(env={"TZ": value})
    assert below(dict(implied.entries(plan)), ZONES) == [] and plan.log == []


def test_a_zone_that_the_sysroot_has_not_is_a_line_in_the_log(bench: Bench) -> None:
    (line,) = bench.plan(env={"TZ": "Europe/Berlin"}).log
    assert "no /usr/share/zoneinfo/Europe/Berlin: programs will take UTC" in line


def test_names_of_services_come_as_they_are(bench: Bench) -> None:
    for name in ("services", "protocols"):
        bench.root.file(f"/etc/{name}", b"http 80/tcp\n")
    found = implied.entries(bench.plan(presets=["services"]))
    assert {"/etc/services", "/etc/protocols"} <= set(found)
    assert found["/etc/services"].reasons == ["preset services"]


@pytest.mark.parametrize(("preset", "package"), [("tzdata", "tzdata"), ("services", "netbase")])
def test_a_preset_without_its_package_is_an_error(bench: Bench, preset: str, package: str) -> None:
    (error,) = bench.errors(presets=[preset])
    assert error.code == "MINIMG-E030" and error.subject == preset
    assert f'"{package}"' in error.remedy


def test_the_presets_configuration_decides_which_modules_an_old_library_needs(
    root: Root, tmp_path: Path
) -> None:
    bench = Bench(root, tmp_path, b"2.28")
    for service in ("files", "dns", "compat"):
        bench.library(f"libnss_{service}.so.2")
    bench.program(imports=[b"getaddrinfo"])
    found = implied.entries(bench.plan(presets=["nsswitch"]))
    assert {f"{implied.LIB}libnss_{name}.so.2" for name in ("files", "dns")} <= set(found)
    assert "/etc/nsswitch.conf" in found
