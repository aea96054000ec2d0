"""The bill of materials of an image as CycloneDX 1.6 JSON.

It depends on the inventory alone: no time, no random number, everything sorted. Hashes are those of
the plain files, whatever is packed in the image; the packed hash stands beside them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from cyclonedx.exception.model import InvalidUriException
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.inventory.components import Components, DebianPackage, File, Module
from pants_plugin_minimg.bundler.inventory.osrelease import OsRelease

#: Serial numbers are made of the content, in a name space of our own.
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:minimg:sbom")
#: What Go modules, crates, Python distributions and Debian packages have in their names.
_NAME = re.compile(r"[A-Za-z0-9._~+-]+")
_TOOL = "pants-plugin-minimg"
_IMAGE = "image"  # the reference of what the document is about


def of_file(inventory: str, name: str, packed: Mapping[str, str]) -> bytes:
    """`render` of inventory.json. Raises MinimgError MINIMG-E001 for what is none."""
    found = jsonfile.load(inventory)
    with jsonfile.reading(inventory):
        return render(Components.from_json(found), name, packed)


def render(parts: Components, name: str, packed: Mapping[str, str]) -> bytes:
    """The document for an image called `name`. `packed` maps the SHA-256 of plain bytes to that of
    what UPX made of them. Raises ValueError for parts that have no form."""
    bom = Bom(
        serial_number=_SPACE,
        metadata=BomMetaData(
            component=Component(name=name, type=ComponentType.CONTAINER, bom_ref=_IMAGE),
            tools=ToolRepository(
                components=[Component(name=_TOOL, type=ComponentType.APPLICATION, bom_ref="tool")]
            ),
        ),
        components=[
            *([] if parts.system is None else [_system(parts.system)]),
            *(_package(package, parts.system) for package in parts.packages),
            *map(_module, parts.modules),
        ],
        dependencies=_dependencies(parts),
    )
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"], document["serialNumber"]
    _add_files(document, parts, packed)
    digest = uuid.uuid5(_SPACE, json.dumps(document, sort_keys=True))
    document["serialNumber"] = digest.urn
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode("ascii")


def _add_files(document: dict[str, Any], parts: Components, packed: Mapping[str, str]) -> None:
    """Below their packages or the image, each with the modules that it tells of.

    Not by the library, which compares all components of a list again and again: an image of
    thousands of files would take seconds.
    """
    files = {_package_reference(package): package.files for package in parts.packages}
    files[_IMAGE] = tuple(parts.files)
    for component in [document["metadata"]["component"], *document.setdefault("components", [])]:
        mine = files.get(component["bom-ref"])
        if mine:
            component["components"] = [_file(file, packed.get(file.sha256)) for file in mine]
    needs: dict[str, list[str]] = {}
    for module in parts.modules:
        for path in module.found_in:
            needs.setdefault(_file_reference(path), []).append(_module_reference(module))
    document["dependencies"] += [
        {"ref": reference, "dependsOn": sorted(others)} for reference, others in needs.items()
    ]
    document["dependencies"].sort(key=lambda dependency: str(dependency["ref"]))


def _system(system: OsRelease) -> Component:
    return Component(
        name=system.ident,
        type=ComponentType.OPERATING_SYSTEM,
        version=system.version or None,
        description=system.name,
        bom_ref=_reference("os", system.ident, system.version),
    )


def _package(package: DebianPackage, system: OsRelease | None) -> Component:
    properties = [Property(name="minimg:source", value=_source(package))]
    if package.licence_file is not None:
        properties.append(Property(name="minimg:licence-file", value=package.licence_file))
    return Component(
        name=package.name,
        type=ComponentType.LIBRARY,
        version=package.version,
        description=package.summary or None,
        bom_ref=_package_reference(package),
        supplier=OrganizationalEntity(name=package.maintainer) if package.maintainer else None,
        licenses=_licences(package.licences),
        purl=_package_url(package, system),
        properties=properties,
        external_references=_website(package.homepage),
    )


def _source(package: DebianPackage) -> str:
    return f"{package.source_name} {package.source_version}"


def _package_url(package: DebianPackage, system: OsRelease | None) -> PackageURL | None:
    """As package-url's `deb` type has it; `upstream` as scanners write and read it."""
    vendor = package.distro.partition("-")[0] or (system.ident if system else "debian")
    qualifiers = {"arch": package.architecture}
    if package.distro:
        qualifiers["distro"] = package.distro
    if package.source_version != package.version:
        qualifiers["upstream"] = f"{package.source_name}@{package.source_version}"
    elif package.source_name != package.name:
        qualifiers["upstream"] = package.source_name
    return _url("deb", vendor, package.name, package.version, qualifiers)


def _module(module: Module) -> Component:
    return Component(
        name=module.name,
        type=ComponentType.LIBRARY,
        version=module.version or None,
        bom_ref=_module_reference(module),
        licenses=_licences([module.licence] if module.licence else ()),
        purl=_module_url(module),
        properties=[Property(name="minimg:found-in", value=path) for path in module.found_in],
    )


def _module_url(module: Module) -> PackageURL | None:
    space, name = "", module.name
    if module.kind == "golang":
        space, _, name = module.name.rpartition("/")
    return _url(module.kind, space, name, module.version, {}) if module.registered else None


def _url(
    kind: str, space: str, name: str, version: str, qualifiers: dict[str, str]
) -> PackageURL | None:
    """None for a name that no registry gives: there is nothing to look up."""
    if not _NAME.fullmatch(name) or not all(map(_NAME.fullmatch, filter(None, space.split("/")))):
        return None
    return PackageURL(kind, space or None, name, version or None, qualifiers)


def _file(file: File, packed: str | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "bom-ref": _file_reference(file.path),
        "type": "file",
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
    }
    if packed is not None:
        out["properties"] = [{"name": "minimg:packed:sha256", "value": packed}]
    return out


def _licences(names: Iterable[str]) -> list[DisjunctiveLicense]:
    return [DisjunctiveLicense(name=name) for name in names]


def _website(url: str) -> list[ExternalReference]:
    if not url.startswith(("https://", "http://")) or not url.isprintable() or " " in url:
        return []
    try:
        return [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(url))]
    except InvalidUriException:
        return []


def _dependencies(parts: Components) -> list[Dependency]:
    """The image needs its system, packages and modules; a package needs others."""
    needs: dict[str, list[str]] = {_IMAGE: []}
    if parts.system is not None:
        needs[_IMAGE].append(_reference("os", parts.system.ident, parts.system.version))
    references = {package.key: _package_reference(package) for package in parts.packages}
    for package in parts.packages:
        needs[_IMAGE].append(references[package.key])
        needs[references[package.key]] = [references[key] for key in package.depends]
    for module in parts.modules:
        needs[_IMAGE].append(_module_reference(module))
    # Fresh objects for the targets: packages may need each other, and comparing would never end.
    return [
        Dependency(BomRef(reference), [Dependency(BomRef(other)) for other in others])
        for reference, others in needs.items()
    ]


def _reference(kind: str, *words: str) -> str:
    """A reference inside the document; no two things have the same one."""
    return ":".join([kind, *(quote(word, safe="/+~") for word in words)])


def _package_reference(package: DebianPackage) -> str:
    return _reference("deb", package.name, package.version, package.architecture)


def _module_reference(module: Module) -> str:
    where = "" if module.registered else "private"
    return _reference(module.kind, module.name, module.version, where, module.licence or "")


def _file_reference(path: str) -> str:
    return _reference("file", path)
