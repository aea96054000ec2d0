"""The fields of `minimal_docker_image`: values, errors at the address, and the help on them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from pants.engine.addresses import Address
from pants.engine.target import InvalidTargetException

from pants_plugin_minimg import target_types as types
from pants_plugin_minimg.bundler import preset_names
from pants_plugin_minimg.target_types import ImageFile, MinimalDockerImageTarget, image_healthcheck
from tests.rules.support import help_examples, load_build_file

ADDRESS = Address("a", target_name="image")


def target(**values: Any) -> MinimalDockerImageTarget:
    return MinimalDockerImageTarget({"binary": ":program", **values}, ADDRESS)


def lines(**values: Any) -> list[str]:
    with pytest.raises(InvalidTargetException) as caught:
        target(**values)
    return str(caught.value).replace("a: MINIMG", "MINIMG", 1).splitlines()


def test_defaults() -> None:
    image = target()
    assert image[types.InstallToField].value == "/"
    assert image[types.UserField].value == "65532:65532"
    assert image[types.ImageTagsField].value == ("latest",)
    assert image[types.UpxField].value is False
    assert image[types.PackageRecordsField].value is True
    assert image[types.DlopenField].value == "required"
    assert image[types.NssField].value is True
    assert image[types.LibgccField].value is True
    assert image[types.RegistriesField].value == ("<all default registries>",)
    assert image[types.SkipPushField].value is False
    assert image[types.AttachSbomField].value is True
    unset = {
        "registries",
        "skip_push",
        "format",
        "upx_check",
        "python_stdlib",
        "python_bytecode",
        "attach_sbom",
        "dlopen",
        "nss",
        "libgcc",
        "upx",
        "package_records",
        "install_to",
        "user",
        "image_tags",
        "environment",
        "binary",
        "output_path",
    }
    for field in image.field_values.values():
        assert field.alias in unset or field.value is None


@pytest.mark.parametrize(
    "values",
    [
        {"binary": None, "executables": ["/usr/bin/git"]},
        {"binary": None, "extra_binaries": [":other"]},
        {"upx": True, "upx_args": ["--best"]},
        {"upx": True, "upx_args": []},
        {"install_to": "/usr/local/bin", "workdir": "/", "user": "nobody"},
        {"env": {"A": "x=y"}, "ports": ["80"], "volumes": ["/data"], "stop_signal": "SIGINT"},
        {"include": ["/usr/share/**"], "exclude": ["/usr/share/doc/**"], "cmd": ["-x", ""]},
        {"files": {"/a": ":b", "/c": ImageFile(":b", mode="0600", owner="1:2")}},
        {"healthcheck": image_healthcheck("/a", "-h", interval="1m30s", retries=3)},
        {"annotations": {"org.opencontainers.image.created": "2026-01-31T12:00:00+01:00"}},
        {"annotations": {"org.opencontainers.image.created": "{env.DAY}"}},
        {"allowed_libraries": ["libc.so.6", "lib*.so.1"], "max_size": "20MB"},
        {"allowed_libraries": [], "max_wire_size": "1.5 MiB"},
        {"allowed_secrets": ["/etc/test/key.pem"]},
        {"upx": "fast", "upx_check": ["-h"]},
        {"upx": "smallest", "upx_check": []},
        {"upx": True, "upx_check": False},
        {"directories": {"/tmp": "1777"}, "image_labels": {"a": ""}, "entrypoint": ["/a", "b"]},
        {"repository": "{directory}/{name}", "image_tags": ["{name}", "1", "{env.SHA}"]},
        {"registries": [], "skip_push": True, "attach_sbom": False},
        {"registries": ["@main", "example.org:5000", "<all default registries>"]},
        {"extra_run_args": ["-p", "80:80"]},
        {"extra_libraries": ["libx.so"], "allowed_missing": ["liby.so.1"]},
    ],
)
def test_fine(values: dict[str, Any]) -> None:
    target(**values)


@pytest.mark.parametrize(
    "field,value",
    [
        ("install_to", "bin"),
        ("executables", ["git"]),
        ("include", ["*.so"]),
        ("exclude", ["*.so"]),
        ("files", {"etc/x": ":y"}),
        ("files", {"/etc/x": ImageFile(":y", mode="999")}),
        ("files", {"/etc/x": ImageFile(":y", owner="root")}),
        ("directories", {"data": "0755"}),
        ("directories", {"/data": "rwx"}),
        ("extra_libraries", [""]),
        ("allowed_missing", [" "]),
        ("entrypoint", []),
        ("entrypoint", [""]),
        ("cmd", ["\0"]),
        ("env", {"A=B": ""}),
        ("workdir", "work"),
        ("user", "a b"),
        ("ports", ["http"]),
        ("volumes", ["data"]),
        ("stop_signal", "TERM"),
        ("image_labels", {"": "x"}),
        ("repository", "{nme}"),
        ("image_tags", []),
        ("allowed_libraries", ["/usr/lib/libc.so.6"]),
        ("allowed_secrets", ["etc/key.pem"]),
        ("upx", "fastest"),
        ("max_size", "20"),
        ("max_wire_size", "much"),
        ("healthcheck", image_healthcheck()),
        ("healthcheck", image_healthcheck("/a", interval="30")),
        ("healthcheck", image_healthcheck("/a", retries=0)),
        ("annotations", {"": "x"}),
        ("annotations", {"org.opencontainers.image.created": "yesterday"}),
        ("annotations", {"org.opencontainers.image.licence": "MIT"}),
        ("image_tags", ["a:b"]),
        ("image_tags", ["{x}"]),
        ("image_tags", ["{env.1}"]),
        ("registries", ["https://example.org"]),
        ("registries", ["@"]),
        ("extra_run_args", ["\0"]),
        ("presets", ["certificates"]),
        ("packages", []),
    ],
)
def test_a_bad_value_is_an_error_at_the_address(field: str, value: Any) -> None:
    (line,) = lines(**{field: value})
    assert line.startswith(f"MINIMG-E018 a:image: `{field}`: ") or line.startswith(
        f"MINIMG-E018 a:image: `{field}` "
    )


@pytest.mark.parametrize(
    "field,value",
    [
        ("architecture", "x86_64"),
        ("alternatives", {"awk": "/usr/bin/mawk"}),
        ("alternatives", {"/usr/bin/awk": "mawk"}),
    ],
)
def test_what_is_said_of_a_sysroot_is_checked(field: str, value: Any) -> None:
    (line,) = lines(sysroot=":bookworm", **{field: value})
    assert line.startswith(f"MINIMG-E018 a:image: `{field}`: ")


@pytest.mark.parametrize(
    "field,value",
    [
        ("packages", ["git"]),
        ("architecture", "arm64"),
        ("alternatives", {"/usr/bin/awk": "/usr/bin/mawk"}),
    ],
)
def test_it_takes_a_sysroot_to_say_something_of_it(field: str, value: Any) -> None:
    (line,) = lines(**{field: value})
    assert line.startswith(f"MINIMG-E018 a:image: `{field}` is set without `sysroot`")


@pytest.mark.parametrize("preset", preset_names.NAMES)
def test_every_preset_can_be_named_and_is_in_the_help(preset: str) -> None:
    assert target(presets=[preset])[types.PresetsField].value == (preset,)
    assert f"* `{preset}`: " in str(types.PresetsField.help)


@pytest.mark.parametrize("arg", ["best", "--bests", "-d", "-9 --best", "-oother"])
def test_upx_args_is_checked_by_itself_too(arg: str) -> None:
    (line,) = lines(upx=True, upx_args=["--lzma", arg])
    assert line.startswith(
        f"MINIMG-E018 a:image: `upx_args`: {arg!r} is no option that chooses how UPX compresses. "
        "Write such as -9,"
    )


def test_upx_args_without_upx() -> None:
    (line,) = lines(upx_args=["--best"])
    assert line == (
        "MINIMG-E018 a:image: `upx_args` is set without `upx=True`. "
        "Set `upx=True`, or take `upx_args` away."
    )


@pytest.mark.parametrize("empty", [{}, {"executables": []}, {"extra_binaries": []}])
def test_no_program_at_all(empty: dict[str, Any]) -> None:
    (line,) = lines(binary=None, **empty)
    assert line.startswith("MINIMG-E016 a:image: the image has no program. Set `binary`")


def test_all_problems_are_told_together() -> None:
    found = lines(binary=None, install_to="bin", user="a b", ports=["0", "x"], upx_args=["-1"])
    fields = ["`install_to`", "`user`", "`ports`", "`ports`", "the image", "`upx_args`"]
    told = ["".join(line.split("a:image: ")[1]) for line in found]
    assert len(told) == len(fields)
    for field in fields:
        assert any(line.startswith(field) for line in told)


@pytest.mark.parametrize(
    "field,value",
    [
        ("binary", [":a"]),
        ("files", [":a"]),
        ("files", {"/a": 1}),
        ("files", {1: ":a"}),
        ("files", {"/a": ImageFile(1)}),
        ("healthcheck", ["/a"]),
        ("healthcheck", image_healthcheck(["/a"])),  # type: ignore[arg-type]
        ("files", {"/a": ImageFile(":a", mode=0o644)}),
        ("executables", "/usr/bin/git"),
    ],
)
def test_a_value_of_another_type(field: str, value: Any) -> None:
    (line, *_) = lines(**{field: value})
    assert f"'{field}'" in line and "a:image" in line


def test_addresses_are_dependencies() -> None:
    image = target(
        extra_binaries=[":b", "//c:d"], files={"/a": ":f", "/b": ImageFile(":f"), "/c": ":g"}
    )
    assert image[types.BinaryField].to_unparsed_address_inputs().values == (":program",)
    assert image[types.ExtraBinariesField].to_unparsed_address_inputs().values == (":b", "//c:d")
    inputs = image[types.FilesField].to_unparsed_address_inputs()
    assert inputs.values == (":f", ":g")
    assert inputs.relative_to == "a"
    assert "`files`" in inputs.description_of_origin


def test_values_can_be_keys_of_the_engine() -> None:
    assert hash(target(files={"/a": ImageFile(":b", "0600")})[types.FilesField])


@pytest.mark.parametrize("field", MinimalDockerImageTarget.core_fields)
def test_help(field: Any) -> None:
    # What `help` prints of its type: later Pants has fields of its own in Rust, without hints.
    assert "raw_value" in get_type_hints(field.compute_value) or field._raw_value_type
    text = str(field.help)
    assert text.strip()
    if field.__module__ == types.__name__:
        assert "minimal_docker_image(" in text, "an example that a user can copy"


def test_the_examples_in_the_help_are_valid() -> None:
    """Each `minimal_docker_image(…)` of the help texts makes a target."""
    made = 0

    def minimal_docker_image(name: str, **values: Any) -> None:
        nonlocal made
        MinimalDockerImageTarget(values, Address("a", target_name=name))
        made += 1

    names = {
        "minimal_docker_image": minimal_docker_image,
        "image_file": ImageFile,
        "image_healthcheck": image_healthcheck,
        "file": lambda **_: None,
        "shell_command": lambda **_: None,
    }
    helps = [MinimalDockerImageTarget.help, *(f.help for f in MinimalDockerImageTarget.core_fields)]
    own = tuple(f"{name}(" for name in ("minimal_docker_image", "file", "shell_command"))
    examples = [e for text in helps for e in help_examples(str(text)) if e.startswith(own)]
    for example in examples:
        load_build_file(example, names)
    assert len(examples) >= 20 and made >= 20
