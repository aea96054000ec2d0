"""The registries that are configured: what `@alias` in `registries` stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.engine.rules import collect_rules, rule

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem

_OURS, _DOCKERS = "[minimg].registries", "[docker].registries"
#: What an entry may say, and as what.
_KEYS: Mapping[str, Any] = {
    "address": str,
    "default": bool,
    "skip_push": bool,
    "extra_image_tags": list,
    "repository": str,
    "use_local_alias": bool,
}
_EXAMPLE = 'Write it as in `main = { address = "registry.example.org", default = true }`.'


class BadRegistries(Exception):
    """What is wrong with the option, one line a problem."""


@dataclass(frozen=True)
class Registry:
    """Where images go. `address` is `HOST[:PORT][/PATH]`; `alias` is None for one from a field.

    `repository` and `extra_image_tags` may hold placeholders. With `use_local_alias` images have a
    name under the alias too, for this machine alone.
    """

    address: str
    alias: str | None = None
    default: bool = False
    skip_push: bool = False
    extra_image_tags: tuple[str, ...] = ()
    repository: str | None = None
    use_local_alias: bool = False

    @property
    def label(self) -> str:
        return self.address if self.alias is None else f"@{self.alias}"


@dataclass(frozen=True)
class Registries:
    """Those of one option, in its order."""

    entries: tuple[Registry, ...] = ()

    def get(self, choice: str) -> tuple[Registry, ...] | None:
        """What a value of the field `registries` stands for; None for an alias that is not there.

        The default ones come by address, as `docker_image` has them.
        """
        if choice == forms.ALL_DEFAULT_REGISTRIES:
            default = (entry for entry in self.entries if entry.default)
            return tuple(sorted(default, key=lambda entry: entry.address))
        for entry in self.entries:
            if choice in (entry.address, f"@{entry.alias}"):
                return (entry,)
        return None if choice.startswith("@") else (Registry(choice),)

    def known(self) -> str:
        return ", ".join(entry.label for entry in self.entries) or "none"


def configured(ours: Mapping[str, Any], dockers: Mapping[str, Any]) -> Registries:
    """`[minimg].registries`, and where that is empty what is there for `docker_image` targets.

    Raises BadRegistries MINIMG-E033. Keys that a newer `[docker].registries` has are let be.
    """
    raw, option = (ours, _OURS) if ours else (dockers, _DOCKERS)
    problems = [
        MinimgError("MINIMG-E033", option, problem, remedy)
        for problem, remedy in _complaints(raw, known_keys_only=option == _OURS)
    ]
    if problems:
        raise BadRegistries(str(Problems(problems)))
    return Registries(tuple(_entry(alias, values) for alias, values in raw.items()))


def _entry(alias: str, values: Mapping[str, Any]) -> Registry:
    known: dict[str, Any] = {key: values[key] for key in _KEYS if key in values}
    known["extra_image_tags"] = tuple(known.get("extra_image_tags", ()))
    known.setdefault("default", alias == "default")
    return Registry(alias=alias, **known)


def _complaints(raw: Mapping[str, Any], known_keys_only: bool) -> Iterator[forms.Complaint]:
    aliases: dict[str, str] = {}
    for alias, values in raw.items():
        if not isinstance(values, Mapping):
            yield f"{alias!r} is not a table", _EXAMPLE
            continue
        bad = list(_bad_values(values, known_keys_only))
        for problem, remedy in bad:
            yield f"{alias!r}: {problem}", remedy
        address = str(values.get("address"))
        if not bad and aliases.setdefault(address, alias) != alias:
            yield (
                f"{alias!r} and {aliases[address]!r} have the same address {address}",
                "An address stands for one entry.",
            )


def _bad_values(values: Mapping[Any, Any], known_keys_only: bool) -> Iterator[forms.Complaint]:
    if "address" not in values:
        yield "`address` is missing", _EXAMPLE
    for key, value in values.items():
        wanted = _KEYS.get(key)
        if wanted is None:
            if known_keys_only:
                yield f"`{key}` is not known", f"There are {', '.join(_KEYS)}."
        elif not isinstance(value, wanted):
            yield f"`{key}` is {value!r}", f"It must be a {wanted.__name__}."
        elif key == "address":
            yield from forms.registry(value)
        elif key == "repository":
            yield from forms.template(value, forms.OF_A_REGISTRY)
        elif key == "extra_image_tags":
            for tag in value:
                yield from _bad_tag(tag)


def _bad_tag(tag: object) -> Iterator[forms.Complaint]:
    if not isinstance(tag, str):
        yield f"the tag {tag!r} is no text", 'Write it in quotes, as in "1.2".'
    else:
        yield from forms.tag_template(tag)


@rule
async def configured_registries(options: MinimgSubsystem, docker: DockerOptions) -> Registries:
    # Taking the options of the docker backend makes them known to Pants, whether it is on or not.
    return configured(options.registries, docker.options.registries)


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
