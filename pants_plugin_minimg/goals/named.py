"""Which images a command line names."""

from __future__ import annotations

from collections.abc import Iterable

from pants.core.goals.package import PackageFieldSet
from pants.engine.target import Target

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.goals.package_index import MinimalDockerIndexFieldSet
from pants_plugin_minimg.subsystems.bundler import BundlerError

_KINDS: tuple[type[PackageFieldSet], ...] = (
    MinimalDockerImageFieldSet,
    MinimalDockerIndexFieldSet,
)


def images(targets: Iterable[Target], goal: str, example: str) -> list[PackageFieldSet]:
    """Images and indices among the targets. Raises BundlerError MINIMG-E016 where there is none."""
    found = [
        kind.create(target) for target in targets for kind in _KINDS if kind.is_applicable(target)
    ]
    if not found:
        problem, remedy = "no `minimal_docker_image` was named", f"Name one, as in `{example}`."
        raise BundlerError(str(MinimgError("MINIMG-E016", goal, problem, remedy)))
    return found
