"""`package` of a `minimal_docker_index`: the images that it names, under one digest."""

from __future__ import annotations

from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage, OutputPathField, PackageFieldSet
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Target
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine
from pants_plugin_minimg import target_types as fields
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.index_target import ImagesField
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem
from pants_plugin_minimg.util_rules import host, imageindex
from pants_plugin_minimg.util_rules.metadata import metadata
from pants_plugin_minimg.util_rules.names import Naming, image_names
from pants_plugin_minimg.util_rules.registries import Registries


@dataclass(frozen=True)
class MinimalDockerIndexFieldSet(PackageFieldSet):
    required_fields = (ImagesField,)

    images: ImagesField
    annotations: fields.AnnotationsField
    registries: fields.RegistriesField
    repository: fields.RepositoryField
    image_tags: fields.ImageTagsField
    output_path: OutputPathField
    format: fields.FormatField
    environment: engine.EnvironmentField


def _check(address: str, targets: tuple[Target, ...]) -> None:
    """Raises BundlerError for an index of nothing (MINIMG-E016) or of other targets (E020)."""
    problems = [
        MinimgError(
            "MINIMG-E020",
            address,
            f"`images` names {target.address}, a `{target.alias}`",
            "Name `minimal_docker_image` targets.",
        )
        for target in targets
        if not MinimalDockerImageFieldSet.is_applicable(target)
    ]
    if not targets:
        problems.append(
            MinimgError("MINIMG-E016", address, "`images` is empty", "Name an image a platform.")
        )
    if problems:
        raise BundlerError("\n".join(map(str, problems)))


@rule(desc="Build an index of minimal images", level=LogLevel.DEBUG)
async def package_minimal_docker_index(
    field_set: MinimalDockerIndexFieldSet,
    options: MinimgSubsystem,
    access: host.HostAccess,
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
        field_set.address, {}, field_set.annotations.value or {}, options.annotations
    )
    (targets,) = await engine.resolve_all([field_set.images.to_unparsed_address_inputs()])
    _check(address, tuple(targets))
    images = await engine.build_packages(
        [MinimalDockerImageFieldSet.create(target) for target in targets]
    )
    wanted = imageindex.Wanted(
        address,
        called,
        told.annotations,
        [str(target.address) for target in targets],
        field_set.output_path,
        field_set.format.value == fields.FormatField.TAR,
    )
    return await imageindex.build(wanted, images, access, options)


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), UnionRule(PackageFieldSet, MinimalDockerIndexFieldSet)]
