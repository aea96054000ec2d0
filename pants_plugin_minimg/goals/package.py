"""`package` of a `minimal_docker_image`: the steps of an image, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    OutputPathField,
    PackageFieldSet,
)
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.fs import CreateDigest, Digest, FileEntry
from pants.engine.rules import collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg import target_types as fields
from pants_plugin_minimg.bundler.architectures import PLATFORMS
from pants_plugin_minimg.bundler.implicit.dlopen_notes import PRIORITIES
from pants_plugin_minimg.bundler.text import escaped
from pants_plugin_minimg.subsystems.bundler import Bundler, BundlerError, run_all, set_up_bundler
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.subsystems.upx import UpxSubsystem
from pants_plugin_minimg.util_rules import (
    closure,
    compress,
    executables,
    host,
    htmlpage,
    image,
    imageindex,
    isolation,
    layers,
    packtrial,
    sysroots,
)
from pants_plugin_minimg.util_rules.metadata import Metadata, metadata
from pants_plugin_minimg.util_rules.names import ImageName, Naming, image_names
from pants_plugin_minimg.util_rules.products import ArtifactPaths, BuiltMinimalImage
from pants_plugin_minimg.util_rules.registries import Registries

#: The layers that are made of the sysroot's files; the third is the user's own.
_OF_THE_SYSROOT = ("layers/1.json", "layers/2.json")
_HOST_LINE = (
    "Programs or libraries in it are this machine's own: another machine makes another image."
)
_HOST_UPX_LINE = (
    "This machine's own UPX packed it: `[minimg-upx].sysroot` makes it the same everywhere."
)


def remarks(planned: closure.Planned, of_host: bool, upx_of_host: bool) -> tuple[str, ...]:
    """What the plan has to say, and what makes the image depend on this machine."""
    said = tuple(planned.steps["log"])
    if of_host and uses_sysroot(planned):
        return (*said, _HOST_LINE)
    return (*said, _HOST_UPX_LINE) if upx_of_host and planned.steps["pack"] else said


@dataclass(frozen=True)
class MinimalDockerImageFieldSet(PackageFieldSet):
    required_fields = (fields.BinaryField, fields.ExecutablesField, fields.ImageTagsField)

    binary: fields.BinaryField
    extra_binaries: fields.ExtraBinariesField
    install_to: fields.InstallToField
    sysroot: fields.SysrootField
    packages: fields.PackagesField
    architecture: fields.ArchitectureField
    architectures: fields.ArchitecturesField
    alternatives: fields.AlternativesField
    executables: fields.ExecutablesField
    include: fields.IncludeField
    exclude: fields.ExcludeField
    files: fields.FilesField
    directories: fields.DirectoriesField
    presets: fields.PresetsField
    package_records: fields.PackageRecordsField
    extra_libraries: fields.ExtraLibrariesField
    allowed_missing: fields.AllowedMissingField
    dlopen: fields.DlopenField
    nss: fields.NssField
    libgcc: fields.LibgccField
    allowed_libraries: fields.AllowedLibrariesField
    allowed_secrets: fields.AllowedSecretsField
    python_stdlib: fields.PythonStdlibField
    python_bytecode: fields.PythonBytecodeField
    max_size: fields.MaxSizeField
    max_wire_size: fields.MaxWireSizeField
    upx: fields.UpxField
    upx_args: fields.UpxArgsField
    upx_check: fields.UpxCheckField
    entrypoint: fields.EntrypointField
    cmd: fields.CmdField
    env: fields.EnvField
    workdir: fields.WorkdirField
    user: fields.UserField
    ports: fields.PortsField
    volumes: fields.VolumesField
    stop_signal: fields.StopSignalField
    healthcheck: fields.HealthcheckField
    image_labels: fields.ImageLabelsField
    annotations: fields.AnnotationsField
    registries: fields.RegistriesField
    repository: fields.RepositoryField
    image_tags: fields.ImageTagsField
    output_path: OutputPathField
    format: fields.FormatField
    environment: engine.EnvironmentField


def wishes(field_set: MinimalDockerImageFieldSet) -> Iterator[executables.Wish]:
    """What the image wants of other targets, one wish an address."""
    own = str(field_set.address)
    if field_set.binary.value is not None:
        yield executables.Wish(
            own,
            field_set.binary.alias,
            field_set.binary.to_unparsed_address_inputs(),
            "program",
            primary=True,
        )
    for address in field_set.extra_binaries.value or ():
        yield executables.Wish(
            own,
            field_set.extra_binaries.alias,
            _one(field_set.extra_binaries, address, field_set.address),
            "program",
        )
    for path, file in field_set.files.items():
        yield executables.Wish(
            own,
            field_set.files.alias,
            field_set.files.inputs_of(file),
            "file",
            path=path,
            mode=file.mode,
            owner=file.owner,
        )


def _one(field: fields.ExtraBinariesField, address: str, owner: Address) -> UnparsedAddressInputs:
    return UnparsedAddressInputs(
        (address,),
        owning_address=owner,
        description_of_origin=f"the `{field.alias}` field from the target {owner}",
    )


def _escaped(paths: Sequence[str] | None) -> list[str]:
    return [escaped(path) for path in paths or ()]


def _up_to(priority: str) -> tuple[str, ...]:
    """The priorities of `.note.dlopen` that are followed; of `none`, none."""
    return () if priority == "none" else PRIORITIES[: PRIORITIES.index(priority) + 1]


def plan_request(
    field_set: MinimalDockerImageFieldSet,
    trees: Sequence[executables.Tree],
    hints: bool = True,
    emulator: str = "",
) -> dict[str, Any]:
    """What `plan` reads: all that decides which files are in the image."""
    check = field_set.healthcheck.value
    return {
        "version": 1,
        "address": str(field_set.address),
        "trees": executables.request_entries(trees),
        "install_to": escaped(field_set.install_to.value),
        "executables": _escaped(field_set.executables.value),
        "include": _escaped(field_set.include.value),
        "exclude": _escaped(field_set.exclude.value),
        "directories": {
            escaped(path): spec for path, spec in (field_set.directories.value or {}).items()
        },
        "extra_libraries": _escaped(field_set.extra_libraries.value),
        "allowed_missing": _escaped(field_set.allowed_missing.value),
        "dlopen": _up_to(field_set.dlopen.value),
        "nss": field_set.nss.value,
        "libgcc": field_set.libgcc.value,
        "allowed_libraries": field_set.allowed_libraries.value,
        "python_stdlib": field_set.python_stdlib.value,
        "python_bytecode": field_set.python_bytecode.value,
        "emulator": emulator,
        "allowed_secrets": _escaped(field_set.allowed_secrets.value),
        "presets": field_set.presets.value or (),
        "package_records": field_set.package_records.value,
        "hints": hints,
        "env": dict(field_set.env.value or {}),
        "pack": bool(field_set.upx.value),
        # What is packed is run, too: in a tree that holds its bytes.
        "link": not field_set.upx.value,
        "entrypoint": field_set.entrypoint.value or (),
        "cmd": field_set.cmd.value or (),
        "user": field_set.user.value,
        "workdir": field_set.workdir.value,
        "healthcheck": () if check is None else check.command,
    }


def wanted_sysroot(field_set: MinimalDockerImageFieldSet) -> sysroots.Wanted:
    sysroot = field_set.sysroot
    return sysroots.Wanted(
        str(field_set.address),
        None if sysroot.value is None else sysroot.to_unparsed_address_inputs(),
        field_set.packages.value or (),
        field_set.architecture.value,
        field_set.alternatives.value or {},
    )


def image_request(
    field_set: MinimalDockerImageFieldSet,
    called: Sequence[ImageName],
    artifact: str,
    told: Metadata,
) -> dict[str, Any]:
    """What `image` reads: the names, and the config of the container."""
    check = field_set.healthcheck.value
    return {
        "version": 1,
        "artifact": artifact,
        "names": [name.to_json() for name in called],
        "config": {
            "entrypoint": field_set.entrypoint.value or (),
            "cmd": field_set.cmd.value or (),
            "env": dict(field_set.env.value or {}),
            "workdir": field_set.workdir.value,
            "user": field_set.user.value,
            "ports": [_port(port) for port in field_set.ports.value or ()],
            "volumes": field_set.volumes.value or (),
            "stop_signal": field_set.stop_signal.value,
            "labels": dict(told.labels),
            **({"healthcheck": check.to_json()} if check is not None else {}),
        },
        "annotations": dict(told.annotations),
        "address": str(field_set.address),
        "max_size": field_set.max_size.value,
        "max_wire_size": field_set.max_wire_size.value,
    }


def _port(value: str) -> str:
    return value if "/" in value else f"{value}/tcp"


def for_architecture(
    field_set: MinimalDockerImageFieldSet, architecture: str
) -> MinimalDockerImageFieldSet:
    """One of the images of a target that is for several architectures."""
    address = field_set.address
    return replace(
        field_set,
        architecture=fields.ArchitectureField(architecture, address),
        architectures=fields.ArchitecturesField(None, address),
    )


def each_architecture(
    field_set: MinimalDockerImageFieldSet,
) -> Iterator[MinimalDockerImageFieldSet]:
    """As layouts: the tar is that of the index."""
    layout = fields.FormatField(fields.FormatField.LAYOUT, field_set.address)
    for name in field_set.architectures.value or ():
        yield replace(for_architecture(field_set, name), format=layout)


def uses_sysroot(planned: closure.Planned) -> bool:
    return any(layer["projection"] in _OF_THE_SYSROOT for layer in planned.steps["layers"])


def _upx_arguments(field_set: MinimalDockerImageFieldSet, upx: UpxSubsystem) -> Sequence[str]:
    """Raises BundlerError MINIMG-E018 for an option with another one."""
    if field_set.upx_args.value is not None:
        return field_set.upx_args.value
    setting = field_set.upx.value
    if not isinstance(setting, bool):
        return fields.UpxField.SETTINGS[setting]
    problems = [*upx.problems()]
    if problems:
        raise BundlerError("\n".join(map(str, problems)))
    return upx.args


def _check(field_set: MinimalDockerImageFieldSet) -> packtrial.Check:
    arguments = field_set.upx_check.value
    return packtrial.Check(
        str(field_set.address),
        None if isinstance(arguments, bool) else arguments,
        field_set.user.value or "",
        dict(field_set.env.value or {}),
    )


async def _upx(
    bundler: Bundler,
    address: str,
    options: UpxSubsystem,
    access: host.HostAccess,
    debian: DebianSubsystem,
    search_path: engine.StandardSearchPath,
) -> Digest:
    """The UPX that `[minimg-upx]` names: of a sysroot of its own, or this machine's."""
    wanted = sysroots.Wanted(address, options.inputs(), (), None, {})
    if wanted.inputs is None:
        path = await compress.find_upx(search_path, address)
    else:
        path = compress.IN_SYSROOT
        wanted = replace(wanted, architecture=access.architecture)
    sysroot = await sysroots.prepare(bundler, wanted, access, debian)
    return await compress.tool(bundler, sysroot, path)


async def _emulator(
    field_set: MinimalDockerImageFieldSet,
    trees: Sequence[executables.Tree],
    sysroot: closure.Sysroot,
    access: host.HostAccess,
    search_path: engine.StandardSearchPath,
) -> str:
    """What the sysroot's Python runs in, if it runs at all and is of another architecture."""
    name = sysroot.request.get("architecture")
    is_python = any(tree.entry["role"] == "pex" for tree in trees)
    reachable = field_set.python_stdlib.value == fields.PythonStdlibField.REACHABLE
    if not (is_python and (field_set.python_bytecode.value or reachable)) or name is None:
        return ""
    architecture = PLATFORMS[str(name)][1]
    if architecture == access.architecture:
        return ""
    return "".join((await isolation.emulator(search_path, architecture))[-1:])


@rule(desc="Build a minimal image", level=LogLevel.DEBUG)
async def package_minimal_docker_image(
    field_set: MinimalDockerImageFieldSet,
    options: MinimgSubsystem,
    upx: UpxSubsystem,
    debian: DebianSubsystem,
    access: host.HostAccess,
    search_path: engine.StandardSearchPath,
    registries: Registries,
) -> BuiltPackage:
    address = str(field_set.address)
    called = await image_names(
        Naming(
            field_set.address,
            field_set.repository.value,
            field_set.image_tags.value,
            field_set.registries.value,
            options.default_repository,
            registries,
        )
    )
    told = await metadata(
        field_set.address,
        field_set.image_labels.value or {},
        field_set.annotations.value or {},
        options.annotations,
    )
    if field_set.architectures.value:
        images = await engine.build_packages([*each_architecture(field_set)])
        wanted = imageindex.Wanted(
            address,
            called,
            told.annotations,
            [f"{address} for {name}" for name in field_set.architectures.value],
            field_set.output_path,
            field_set.format.value == fields.FormatField.TAR,
        )
        return await imageindex.build(wanted, images, access, options)
    if field_set.sysroot.value is None:
        access.check(address)
    bundler = await set_up_bundler(access.python)
    trees = await executables.trees(tuple(wishes(field_set)))
    sysroot = await sysroots.prepare(bundler, wanted_sysroot(field_set), access, debian)
    emulator = await _emulator(field_set, trees, sysroot, access, search_path)
    planned = await closure.plan(
        bundler,
        sysroot,
        plan_request(field_set, trees, options.hints, emulator),
        [tree.digest for tree in trees],
        f"Find what {address} consists of",
    )
    packed, trial = compress.NOTHING_PACKED, packtrial.NOTHING_TRIED
    if planned.steps["pack"]:
        arguments = _upx_arguments(field_set, upx)
        tool = await _upx(bundler, address, upx, access, debian, search_path)
        packed = await compress.pack(bundler, planned, tool, arguments, address)
        trial = await packtrial.trial(bundler, planned, packed, _check(field_set), search_path)
    steps = await layers.steps(bundler, planned, packed, address, options.source_date_epoch)
    written = await engine.digest_entries_all(await run_all(steps, address))
    tar = field_set.format.value == fields.FormatField.TAR
    paths = ArtifactPaths.of(field_set.output_path, tar)
    made = await image.assemble(
        bundler,
        image_request(field_set, called, paths.image, told),
        planned,
        packed,
        [closure.files_below(entries, "out") for entries in written],
        options.source_date_epoch,
        tar,
    )
    (manifest,) = made.details["manifests"]
    told_of = await packtrial.added(made, {manifest["digest"]: trial})
    assert made.sbom is not None
    beside = [
        FileEntry(paths.info, told_of.info.file_digest),
        FileEntry(paths.sbom(), made.sbom.file_digest),
    ]
    if options.plans:
        beside.append(FileEntry(paths.plan(), planned.files["plan.json"].file_digest))
    if options.html:
        page = await htmlpage.page(bundler, [planned.files["plan.json"]], made.info, address)
        beside.append(FileEntry(paths.html, page.file_digest))
    products = await engine.create_digests([CreateDigest([*paths.product(made), *beside])])
    return BuiltPackage(
        products[0],
        (
            BuiltMinimalImage.create(
                paths.image,
                made,
                called,
                remarks(planned, sysroot.of_host, upx.inputs() is None),
                planned.files["plan.json"],
                trial,
            ),
            *(BuiltPackageArtifact(entry.path) for entry in beside),
        ),
    )


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), UnionRule(PackageFieldSet, MinimalDockerImageFieldSet)]
