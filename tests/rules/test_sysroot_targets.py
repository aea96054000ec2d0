"""The fields of `debian_sysroot` and `rootfs_sysroot`, and the help on them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from pants.engine.addresses import Address
from pants.engine.target import InvalidTargetException, Target

from pants_plugin_minimg import register
from pants_plugin_minimg import sysroot_targets as types
from pants_plugin_minimg.bundler.architectures import PLATFORMS
from pants_plugin_minimg.sysroot_targets import DebianSysrootTarget, RootfsSysrootTarget
from pants_plugin_minimg.target_types import ImageFile, MinimalDockerImageTarget, image_healthcheck
from tests.rules.support import help_examples, load_build_file

ADDRESS = Address("s", target_name="bookworm")
NEEDED: dict[str, Any] = {"suites": ["bookworm"], "packages": ["git"], "lockfile": "bookworm.lock"}


def debian(**values: Any) -> DebianSysrootTarget:
    return DebianSysrootTarget({**NEEDED, **values}, ADDRESS)


def lines(**values: Any) -> list[str]:
    with pytest.raises(InvalidTargetException) as caught:
        debian(**values)
    return str(caught.value).replace("s: MINIMG", "MINIMG", 1).splitlines()


def test_defaults() -> None:
    target = debian()
    assert target[types.SuitesField].value == ("bookworm",)
    assert target[types.ComponentsField].value == ("main",)
    assert target[types.ArchitecturesField].value == ("amd64",)
    assert target[types.PackagesField].value == ("git",)
    assert target[types.LockfileField].file_path == "s/bookworm.lock"
    assert target[types.ResolveField].value is None
    assert types.resolve_name(target) == "bookworm"


def test_a_resolve_of_its_own() -> None:
    assert types.resolve_name(debian(resolve="tools-debian")) == "tools-debian"


@pytest.mark.parametrize("field", ["suites", "packages", "lockfile"])
def test_what_nobody_can_guess_is_required(field: str) -> None:
    values = {alias: value for alias, value in NEEDED.items() if alias != field}
    with pytest.raises(
        InvalidTargetException, match=f"['`]{field}['`].*s:bookworm must be defined"
    ):
        DebianSysrootTarget(values, ADDRESS)


@pytest.mark.parametrize(
    "values",
    [
        {"suites": ["bookworm", "bookworm-security", "bookworm/updates", "stable"]},
        {"components": ["main", "contrib", "non-free-firmware", "universe"]},
        {"architectures": list(PLATFORMS)},
        {"packages": ["git=1:2.39.5-0+deb12u2", "hlint/bookworm-backports", "libstdc++6", "0ad"]},
        {"packages": ["a.b=1.0~rc1+dfsg-1"]},
    ],
)
def test_fine(values: dict[str, Any]) -> None:
    debian(**values)


@pytest.mark.parametrize(
    "field,value,problem",
    [
        ("suites", [], "is empty"),
        ("suites", ["book worm"], "'book worm' is no name that an archive has"),
        ("suites", ["../escape"], "'../escape' is no name"),
        ("suites", ["bookworm\n"], "is no name"),
        ("components", [], "is empty"),
        ("components", ["-main"], "'-main' is no name"),
        ("architectures", [], "is empty"),
        ("architectures", ["x86_64"], "'x86_64' is none that an image can be of"),
        ("architectures", ["all"], "'all' is none that an image can be of"),
        ("packages", [], "is empty"),
        ("packages", [""], "'' is no package"),
        ("packages", ["Git"], "'Git' is no package"),
        ("packages", ["g"], "'g' is no package"),
        ("packages", ["git="], "'git=' is no package"),
        ("packages", ["git/"], "'git/' is no package"),
        ("packages", ["git (>= 2)"], "'git (>= 2)' is no package"),
        ("packages", ["git=1/bookworm"], "is no package"),
        ("packages", ["git:arm64"], "is no package"),
        ("packages", ["git\n"], "is no package"),
    ],
)
def test_a_bad_value_is_an_error_at_the_address(field: str, value: Any, problem: str) -> None:
    (line,) = lines(**{field: value})
    assert line.startswith(f"MINIMG-E018 s:bookworm: `{field}`: ") and problem in line


def test_all_problems_are_told_together() -> None:
    found = lines(suites=["a b"], components=[], architectures=["x"], packages=["A", "B"])
    told = [line.split("`")[1] for line in found]
    assert sorted(told) == ["architectures", "components", "packages", "packages", "suites"]


@pytest.mark.parametrize(
    "field,value",
    [
        ("suites", "bookworm"),
        ("components", [1]),
        ("architectures", 1),
        ("packages", "git"),
        ("lockfile", ["bookworm.lock"]),
        ("resolve", ["a"]),
    ],
)
def test_a_value_of_another_type(field: str, value: Any) -> None:
    (line, *_) = lines(**{field: value})
    assert f"'{field}'" in line and "s:bookworm" in line


def test_base_files_is_locked_with_every_sysroot() -> None:
    assert types.asked_for(debian(packages=["hlint", "git/sid"]))["packages"] == [
        "hlint",
        "git/sid",
        "base-files",
    ]


@pytest.mark.parametrize("entry", ["base-files", "base-files=12.4+deb12u5", "base-files/trixie"])
def test_base_files_is_the_users_where_he_names_it(entry: str) -> None:
    assert types.asked_for(debian(packages=[entry, "git"]))["packages"] == [entry, "git"]


def rootfs(**values: Any) -> RootfsSysrootTarget:
    return RootfsSysrootTarget(values, Address("s", target_name="alpine"))


def test_the_source_of_a_root_file_system_is_an_address() -> None:
    inputs = rootfs(source=":tar")[types.RootfsField].to_unparsed_address_inputs()
    assert (inputs.values, inputs.relative_to) == ((":tar",), "s")
    assert "`source`" in inputs.description_of_origin


def test_a_root_file_system_has_a_source() -> None:
    with pytest.raises(InvalidTargetException, match="'source'.*s:alpine must be defined"):
        rootfs()
    with pytest.raises(InvalidTargetException, match="'source'.*s:alpine must be an address"):
        rootfs(source=[":tar"])


SYSROOTS = (DebianSysrootTarget, RootfsSysrootTarget)
OWN_FIELDS = sorted(
    {
        field
        for target in SYSROOTS
        for field in target.core_fields
        if field.__module__ == types.__name__
    },
    key=lambda field: field.__name__,
)


def test_the_backend_brings_both() -> None:
    assert set(SYSROOTS) < set(register.target_types())
    assert len(OWN_FIELDS) == 8


class Examples:
    """Makes a target of every call in an example."""

    def __init__(self) -> None:
        self.made: list[Target] = []
        self.names = {
            "debian_sysroot": self._maker(DebianSysrootTarget),
            "rootfs_sysroot": self._maker(RootfsSysrootTarget),
            "minimal_docker_image": self._maker(MinimalDockerImageTarget),
            "image_file": ImageFile,
            "image_healthcheck": image_healthcheck,
            "file": lambda **_: None,
            "http_source": lambda **_: None,
        }

    def _maker(self, kind: type[Target]) -> Any:
        def make(name: str, **values: Any) -> None:
            self.made.append(kind(values, Address("s", target_name=name)))

        return make

    def run(self, text: str) -> list[Target]:
        self.made = []
        for code in help_examples(text):
            load_build_file(code, self.names)
        return self.made


@pytest.mark.parametrize("field", OWN_FIELDS)
def test_the_help_on_a_field_shows_it_in_a_valid_target(field: Any) -> None:
    made = Examples().run(str(field.help))
    alias = field.alias
    shown = [target for target in made if isinstance(target, SYSROOTS)]
    assert shown and any(target[field].value for target in shown if target.has_field(field)), alias
    if "compute_value" in vars(field):
        assert "raw_value" in get_type_hints(field.compute_value)


@pytest.mark.parametrize("kind", SYSROOTS)
def test_the_help_on_a_target_shows_an_image_of_it(kind: type[Target]) -> None:
    made = Examples().run(str(kind.help))
    assert [type(target) for target in made] == [kind, MinimalDockerImageTarget]
    assert made[1].address.target_name != made[0].address.target_name


def test_the_helps_on_an_images_sysroot_fields_are_valid() -> None:
    fields = ("sysroot", "packages", "architecture", "alternatives")
    known = {field.alias: field for field in MinimalDockerImageTarget.core_fields}
    for alias in fields:
        (image,) = Examples().run(str(known[alias].help))
        assert image[known[alias]].value, alias
