"""What labels and annotations say, with values of the environment in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pants.engine.addresses import Address

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.subsystems.bundler import BundlerError

_VARIABLE = re.compile(r"\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Metadata:
    """Both by name; of annotations those of the image stand in for those of all images."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


async def metadata(
    address: Address,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    of_all: Mapping[str, str],
) -> Metadata:
    """`{env.NAME}` in a value becomes that variable's value; other braces stay as they are.

    `of_all` is `[minimg].annotations`. Raises BundlerError with every variable that is not set
    (MINIMG-E032) and every annotation that OCI's image-spec does not allow (MINIMG-E018).
    """
    merged = {**of_all, **annotations}
    wanted = sorted(
        {name for text in (*labels.values(), *merged.values()) for name in _names(text)}
    )
    environment = await engine.environment_variables(tuple(wanted)) if wanted else {}
    problems = [
        MinimgError(
            "MINIMG-E032",
            str(address),
            f"a label or annotation: the environment variable {name} is not set, or empty",
            "Set it where Pants is started.",
        )
        for name in wanted
        if not environment.get(name)
    ]
    filled = {name: _fill(value, environment) for name, value in merged.items()}
    for name, value in filled.items() if not problems else ():
        problems += [
            MinimgError("MINIMG-E018", str(address), f"`annotations`: {problem}", remedy)
            for problem, remedy in forms.annotation(name, value)
        ]
    if problems:
        raise BundlerError(str(Problems(problems)))
    return Metadata({name: _fill(value, environment) for name, value in labels.items()}, filled)


def _names(text: str) -> list[str]:
    return _VARIABLE.findall(text)


def _fill(text: str, environment: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environment.get(match[1], ""), text)
