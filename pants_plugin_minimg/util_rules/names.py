"""The names of an image: repository and tags, with what their placeholders stand for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pants.engine.addresses import Address

from pants_plugin_minimg import field_forms as forms
from pants_plugin_minimg.bundler.errors import MinimgError, Problems


class BadName(Exception):
    """A name that no registry would take, one line a problem."""


@dataclass(frozen=True)
class ImageName:
    repository: str
    template: str
    tag: str

    def to_json(self) -> dict[str, str]:
        return {
            "repository": self.repository,
            "template": self.template,
            "tag": self.tag,
            "name": f"{self.repository}:{self.tag}",
        }


def interpolate(template: str, values: dict[str, str]) -> str:
    """Placeholders that are not known stay: the field's own check refuses them."""
    return re.sub(
        r"\{([^{}]*)\}", lambda match: values.get(match.group(1), match.group(0)), template
    )


def names(
    address: Address, repository: str | None, tags: Sequence[str], default_repository: str
) -> tuple[ImageName, ...]:
    """As `docker_image` has them: the repository in lower case, one name a tag.

    Raises BadName with every name that docker's grammar of references does not have.
    """
    values = {
        "name": address.target_name,
        "full_directory": address.spec_path,
        "directory": posixpath.basename(address.spec_path),
        "parent_directory": posixpath.basename(posixpath.dirname(address.spec_path)),
    }
    values["default_repository"] = interpolate(default_repository, values)
    full = interpolate(repository or default_repository, values).lower()
    where = "`repository`" if repository else "`[minimg].default_repository`"
    complaints = [(where, complaint) for complaint in forms.repository(full)]
    finished = [ImageName(full, tag, interpolate(tag, values)) for tag in tags]
    for name in finished:
        complaints += [("`image_tags`", complaint) for complaint in forms.tag(name.tag)]
    if complaints:
        raise BadName(
            str(
                Problems(
                    [
                        MinimgError("MINIMG-E018", str(address), f"{field}: {problem}", remedy)
                        for field, (problem, remedy) in complaints
                    ]
                )
            )
        )
    return tuple(finished)
