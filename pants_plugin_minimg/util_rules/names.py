"""The names of an image: registries, repositories and tags, and what their placeholders mean."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pants.engine.addresses import Address

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.util_rules.registries import Registries, Registry


class BadName(Exception):
    """A name that no registry would take, one line a problem."""


@dataclass(frozen=True)
class ImageName:
    """One tag in one repository. `template` is the tag as it was spelled.

    `repository` is without the registry. A `local` name begins with the registry's alias, and is
    for this machine alone.
    """

    repository: str
    template: str
    tag: str
    registry: Registry | None = None
    local: bool = False

    @property
    def location(self) -> str:
        """The repository as tools take it, with the registry."""
        if self.registry is None:
            return self.repository
        return f"{self.registry.alias if self.local else self.registry.address}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.location}:{self.tag}"

    def to_json(self) -> dict[str, str | bool | None]:
        return {
            "alias": None if self.registry is None else self.registry.alias,
            "address": None if self.registry is None else self.registry.address,
            "repository": self.repository,
            "template": self.template,
            "tag": self.tag,
            "local": self.local,
            "name": str(self),
        }


@dataclass(frozen=True)
class Naming:
    """All that the names of an image are made of, with placeholders.

    `choices` is the value of the field `registries`.
    """

    address: Address
    repository: str | None
    tags: tuple[str, ...]
    choices: tuple[str, ...]
    default_repository: str
    registries: Registries

    def repository_of(self, registry: Registry | None) -> tuple[str, str, Sequence[str]]:
        """Where it is said, its template, and the placeholders that may be in it."""
        if registry is not None and registry.repository is not None:
            where = f"`repository` of the registry {registry.label}"
            return where, registry.repository, forms.OF_A_REGISTRY
        if self.repository:
            return "`repository`", self.repository, forms.INTERPOLATIONS
        return "`[minimg].default_repository`", self.default_repository, forms.OF_THE_TARGET

    def tags_of(self, registry: Registry | None) -> Iterator[tuple[str, str]]:
        """Where each is said, and its template."""
        for tag in self.tags:
            yield "`image_tags`", tag
        if registry is not None:
            for tag in registry.extra_image_tags:
                yield f"`extra_image_tags` of the registry {registry.label}", tag


class _Filling:
    """Puts values into the place of placeholders, and notes which variables are not set.

    What may stand in a text shrinks from each to the one that it refers to, so there is no end to
    be looked for. Placeholders that are not known stay: the grammar of names refuses them.
    """

    def __init__(self, naming: Naming, environment: Mapping[str, str]) -> None:
        self._naming, self._environment = naming, environment
        folder = naming.address.spec_path
        self._values = {
            "name": naming.address.target_name,
            "full_directory": folder,
            "directory": posixpath.basename(folder),
            "parent_directory": posixpath.basename(posixpath.dirname(folder)),
        }
        self.unset: dict[str, str] = {}  # variable -> where it was first asked for

    def fill(self, where: str, template: str, allowed: Sequence[str]) -> str:
        return forms.PLACEHOLDER.sub(lambda match: self._value(where, match, allowed), template)

    def _value(self, where: str, match: re.Match[str], allowed: Sequence[str]) -> str:
        name = match[1]
        variable = forms.VARIABLE.match(name)
        if variable:
            return self._variable(where, variable[1])
        if name not in allowed:
            return match[0]
        if name == "default_repository":
            return self.fill(where, self._naming.default_repository, forms.OF_THE_TARGET)
        if name == "target_repository":
            return self.fill(*self._naming.repository_of(None))
        return self._values[name]

    def _variable(self, where: str, name: str) -> str:
        if not self._environment.get(name):
            self.unset.setdefault(name, where)
            return "unset"  # fits everywhere, so that this is told once and nothing else of it
        return self._environment[name]


def _fill_all(naming: Naming, filling: _Filling) -> tuple[list[ImageName], list[MinimgError]]:
    """The names, and what is wrong with them besides variables that are not set."""
    problems: list[MinimgError] = []
    found: list[ImageName] = []
    address = str(naming.address)

    def check(where: str, complaints: Iterator[forms.Complaint]) -> None:
        problems.extend(
            MinimgError("MINIMG-E018", address, f"{where}: {problem}", remedy)
            for problem, remedy in complaints
        )

    for registry in _registries(naming, problems) or [None]:
        where, template, allowed = naming.repository_of(registry)
        repository = filling.fill(where, template, allowed).lower()
        host = None if registry is None else registry.address
        check(where, forms.repository(repository, host))
        for where, tag in naming.tags_of(registry):
            filled = filling.fill(where, tag, forms.INTERPOLATIONS)
            check(where, forms.tag(filled))
            found.append(ImageName(repository, tag, filled, registry))
    local = [
        ImageName(name.repository, name.template, name.tag, name.registry, local=True)
        for name in found
        if name.registry is not None and name.registry.use_local_alias
    ]
    return [*found, *local], problems


def _registries(naming: Naming, problems: list[MinimgError]) -> list[Registry | None]:
    chosen: list[Registry | None] = []
    for choice in naming.choices:
        entries = naming.registries.get(choice)
        if entries is None:
            problems.append(
                MinimgError(
                    "MINIMG-E033",
                    str(naming.address),
                    f"`registries`: there is no registry {choice}",
                    f"Those that are configured: {naming.registries.known()}.",
                )
            )
        chosen += entries or ()
    return list(dict.fromkeys(chosen))


def variables(naming: Naming) -> tuple[str, ...]:
    """The variables of the environment that the names ask for, sorted."""
    filling = _Filling(naming, {})
    _fill_all(naming, filling)
    return tuple(sorted(filling.unset))


def names(naming: Naming, environment: Mapping[str, str]) -> tuple[ImageName, ...]:
    """As `docker_image` has them: repositories in lower case, each registry with each tag.

    The first one is what the image is called where one name must do. Raises BadName with every
    name that docker's grammar of references does not have (distribution/reference, MINIMG-E018),
    every alias that is not configured (E033) and every variable that is not set (E032).
    """
    filling = _Filling(naming, environment)
    found, problems = _fill_all(naming, filling)
    problems += [
        MinimgError(
            "MINIMG-E032",
            str(naming.address),
            f"{where}: the environment variable {name} is not set, or empty",
            "Set it where Pants is started.",
        )
        for name, where in filling.unset.items()
    ]
    if problems:
        raise BadName(str(Problems(problems)))
    unique: dict[str, ImageName] = {}
    for found_name in found:
        unique.setdefault(str(found_name), found_name)
    return tuple(unique.values())


async def image_names(naming: Naming) -> tuple[ImageName, ...]:
    """The same, with those variables of the environment that are named, and no other."""
    wanted = variables(naming)
    return names(naming, await engine.environment_variables(wanted) if wanted else {})
