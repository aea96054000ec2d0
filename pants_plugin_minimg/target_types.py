"""The `minimal_docker_image` target: its fields, and what their values must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pants.core.goals.package import OutputPathField
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    Field,
    InvalidFieldException,
    Target,
)
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.engine import EnvironmentField
from pants_plugin_minimg.fields.base import AddressField, Checked
from pants_plugin_minimg.fields.container import (
    AnnotationsField,
    CmdField,
    EntrypointField,
    EnvField,
    HealthcheckField,
    ImageHealthcheck,
    ImageLabelsField,
    PortsField,
    StopSignalField,
    UserField,
    VolumesField,
    WorkdirField,
    image_healthcheck,
)
from pants_plugin_minimg.fields.distribution import (
    AttachSbomField,
    ExtraRunArgsField,
    FormatField,
    ImageTagsField,
    RegistriesField,
    RepositoryField,
    SkipPushField,
)
from pants_plugin_minimg.fields.files import DirectoriesField, FilesField, ImageFile
from pants_plugin_minimg.fields.libraries import (
    AllowedLibrariesField,
    AllowedMissingField,
    DlopenField,
    ExtraLibrariesField,
    LibgccField,
    NssField,
)
from pants_plugin_minimg.fields.limits import AllowedSecretsField, MaxSizeField, MaxWireSizeField
from pants_plugin_minimg.fields.packing import UpxArgsField, UpxCheckField, UpxField
from pants_plugin_minimg.fields.programs import (
    BinaryField,
    ExcludeField,
    ExecutablesField,
    ExtraBinariesField,
    IncludeField,
    InstallToField,
    PackageRecordsField,
    PresetsField,
)
from pants_plugin_minimg.fields.python import PythonBytecodeField, PythonStdlibField
from pants_plugin_minimg.fields.sysroots import (
    AlternativesField,
    ArchitectureField,
    ArchitecturesField,
    PackagesField,
    SysrootField,
)

__all__ = [
    "AddressField",
    "AllowedLibrariesField",
    "AllowedMissingField",
    "AllowedSecretsField",
    "AlternativesField",
    "AnnotationsField",
    "ArchitectureField",
    "ArchitecturesField",
    "AttachSbomField",
    "BinaryField",
    "Checked",
    "CmdField",
    "DirectoriesField",
    "DlopenField",
    "EntrypointField",
    "EnvField",
    "ExcludeField",
    "ExecutablesField",
    "ExtraBinariesField",
    "ExtraLibrariesField",
    "ExtraRunArgsField",
    "FilesField",
    "FormatField",
    "HealthcheckField",
    "ImageDependenciesField",
    "ImageFile",
    "ImageHealthcheck",
    "ImageLabelsField",
    "ImageTagsField",
    "IncludeField",
    "InstallToField",
    "LibgccField",
    "MaxSizeField",
    "MaxWireSizeField",
    "MinimalDockerImageTarget",
    "NssField",
    "PackageRecordsField",
    "PackagesField",
    "PortsField",
    "PresetsField",
    "PythonBytecodeField",
    "PythonStdlibField",
    "RegistriesField",
    "RepositoryField",
    "SkipPushField",
    "StopSignalField",
    "SysrootField",
    "UpxArgsField",
    "UpxCheckField",
    "UpxField",
    "UserField",
    "VolumesField",
    "WorkdirField",
    "field_problems",
    "image_healthcheck",
    "target_problems",
]


class ImageDependenciesField(Dependencies):
    help = help_text(
        """
        Further targets that a change of the image may come from. None of them is put into the
        image: `binary`, `extra_binaries` and `files` do that, and are dependencies by themselves.

            minimal_docker_image(name="image", binary=":server", dependencies=[":notes"])
        """
    )


class MinimalDockerImageTarget(Target):
    alias = "minimal_docker_image"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        ImageDependenciesField,
        BinaryField,
        ExtraBinariesField,
        InstallToField,
        SysrootField,
        PackagesField,
        ArchitectureField,
        ArchitecturesField,
        AlternativesField,
        ExecutablesField,
        IncludeField,
        ExcludeField,
        FilesField,
        DirectoriesField,
        PresetsField,
        PackageRecordsField,
        ExtraLibrariesField,
        AllowedMissingField,
        DlopenField,
        NssField,
        LibgccField,
        AllowedLibrariesField,
        AllowedSecretsField,
        PythonStdlibField,
        PythonBytecodeField,
        FormatField,
        MaxSizeField,
        MaxWireSizeField,
        UpxField,
        UpxArgsField,
        UpxCheckField,
        EntrypointField,
        CmdField,
        EnvField,
        WorkdirField,
        UserField,
        PortsField,
        VolumesField,
        StopSignalField,
        HealthcheckField,
        ImageLabelsField,
        AnnotationsField,
        RegistriesField,
        RepositoryField,
        ImageTagsField,
        SkipPushField,
        AttachSbomField,
        ExtraRunArgsField,
        OutputPathField,
        EnvironmentField,
    )
    help = help_text(
        """
        A container image of a program and what it needs to start, and nothing else: its loader,
        its libraries, its interpreter. No Dockerfile, no base image, no daemon.

            minimal_docker_image(
                name="image",
                binary=":server",                # a target that builds a program
                executables=["/usr/bin/git"],    # and programs of this machine
                files={"/etc/app.toml": ":config"},
                upx=True,
                env={"LANG": "C.UTF-8"},
            )

        `package` writes a tar that docker, podman, skopeo and containerd load, and a JSON beside
        it with the digests, names and sizes. `publish` pushes it, by its digest, to registries.
        `run` loads the image into docker or podman and starts it, with the arguments after `--`.
        """
    )

    def validate(self) -> None:
        super().validate()
        problems = list(field_problems(self))
        problems += target_problems(self)
        if problems:
            raise InvalidFieldException(str(Problems(problems)))


#: Fields of which at least one must say what the image is for.
PROGRAM_FIELDS: tuple[type[Field], ...] = (BinaryField, ExtraBinariesField, ExecutablesField)


def field_problems(target: Target) -> Iterator[MinimgError]:
    """What is wrong with the value of each field by itself."""
    for field in target.field_values.values():
        if isinstance(field, Checked):
            assert isinstance(field, Field)
            for problem, remedy in field.complaints():
                yield MinimgError(
                    "MINIMG-E018", str(target.address), f"`{field.alias}`: {problem}", remedy
                )


def target_problems(target: Target) -> Iterable[MinimgError]:
    """What is wrong between fields."""
    address = str(target.address)
    if not any(target[field].value for field in PROGRAM_FIELDS):
        yield MinimgError(
            "MINIMG-E016",
            address,
            "the image has no program",
            'Set `binary` to a target that builds one, or `executables`, as in ["/usr/bin/git"].',
        )
    for field in (PackagesField, ArchitectureField, ArchitecturesField, AlternativesField):
        if target[field].value and not target[SysrootField].value:
            yield MinimgError(
                "MINIMG-E018",
                address,
                f"`{field.alias}` is set without `sysroot`",
                "Name a `debian_sysroot` in `sysroot`.",
            )
    if target[ArchitectureField].value and target[ArchitecturesField].value:
        yield MinimgError(
            "MINIMG-E018",
            address,
            "`architecture` and `architectures` are both set",
            "Take one away.",
        )
    if target[UpxArgsField].value is not None and not target[UpxField].value:
        yield MinimgError(
            "MINIMG-E018",
            address,
            "`upx_args` is set without `upx=True`",
            "Set `upx=True`, or take `upx_args` away.",
        )
    if target[UpxArgsField].value is not None and isinstance(target[UpxField].value, str):
        yield MinimgError(
            "MINIMG-E018",
            address,
            f"`upx_args` is set beside `upx={target[UpxField].value!r}`, which stands for others",
            "Set `upx=True`, or take `upx_args` away.",
        )
