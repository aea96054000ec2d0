"""Images as they are at another revision: a Pants of its own builds them, in a checkout of that."""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pants.base.build_environment import get_buildroot
from pants.core.goals.package import OutputPathField
from pants.engine.addresses import Address
from pants.engine.env_vars import CompleteEnvironmentVars
from pants.engine.fs import CreateDigest, FileContent
from pants.engine.internals.session import SessionValues
from pants.engine.process import InteractiveProcess
from pants.option.options_bootstrapper import OptionsBootstrapper
from pants.version import VERSION

from pants_plugin_minimg import engine
from pants_plugin_minimg import target_types as fields
from pants_plugin_minimg.index_target import MinimalDockerIndexTarget
from pants_plugin_minimg.subsystems.bundler import Bundler, process
from pants_plugin_minimg.target_types import MinimalDockerImageTarget
from pants_plugin_minimg.util_rules.products import ArtifactPaths
from pants_plugin_minimg.util_rules.unprinted import Unprinted

_logger = logging.getLogger(__name__)
_VARIABLES = "variables.json"
#: Of that Pants: its folder must lie in the checkout, and no file of that be in it.
_DIST = ".minimg-diff-dist"
#: Options that say what this run compares, and those that the other gets from here: twice is an
#: error of Pants.
_OWN_OPTIONS = re.compile(
    r"--(minimg-diff-.*|changed-.*|spec-files.*|(no-)?pantsd(=.*)?|(no-)?loop(=.*)?"
    r"|(pants-distdir|unmatched-cli-globs)=.*)\Z"
)
_OURS = (MinimalDockerImageTarget.alias, MinimalDockerIndexTarget.alias)


@dataclass(frozen=True)
class Before:
    """The tar or layout of an image or an index, and the plans of what it holds."""

    image: str
    plans: tuple[str, ...]


class NotBuilt(Exception):
    """Said why on standard error; holds the exit code."""


def options_of(arguments: Sequence[str]) -> list[str]:
    """Those before the goal, of Pants' command line without its program."""
    before = takewhile(lambda word: word.startswith("-"), arguments)
    return [word for word in before if not _OWN_OPTIONS.match(word)]


def pants_command(options: Sequence[str], addresses: Iterable[Address]) -> list[str]:
    """This same Pants, to build into _DIST what there is of `addresses`, and to tell about it.

    An address alone that is not there would be an error, so its whole folder is asked for.
    """
    found = sorted(addresses)
    # In the option, a comma separates expressions.
    expressions = [f"^{re.escape(str(address)).replace(',', '.')}$" for address in found]
    folders = dict.fromkeys(f"{address.spec_path or '//'}:" for address in found)
    return [
        # Isolated: a module of the checkout must not stand in for one of Pants.
        *(sys.executable, "-I", "-m", "pants"),
        *options,
        "--no-pantsd",
        f"--pants-distdir={_DIST}",
        "--unmatched-cli-globs=ignore",
        f"--filter-address-regex={','.join(expressions)}",
        *("package", "peek"),
        *folders,
    ]


def variables_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's, for that Pants."""
    kept = {k: v for k, v in environment.items() if k != "PANTS_BUILDROOT_OVERRIDE"}
    # By variables, since an older plugin has no such option.
    return {**kept, "PANTS_VERSION": VERSION, "PANTS_MINIMG_PLANS": "true"}


def before(peeked: Sequence[Mapping[str, Any]], address: Address, dist: str) -> Before | None:
    """What `peek` and `package` left of an address; None where no image had it."""
    for target in peeked:
        if target["address"] == str(address) and target["target_type"] in _OURS:
            output = OutputPathField(target.get("output_path"), address)
            layout = target.get("format") == fields.FormatField.LAYOUT
            paths = ArtifactPaths.of(output, not layout)
            stem = glob.escape(os.path.join(dist, paths.stem))
            plans = [*glob.glob(f"{stem}.plan.json"), *sorted(glob.glob(f"{stem}.*.plan.json"))]
            return Before(os.path.join(dist, paths.image), tuple(plans))
    return None


async def built_at(
    bundler: Bundler,
    revision: str,
    addresses: Sequence[Address],
    session: SessionValues,
    environment: CompleteEnvironmentVars,
    scratch: str,
) -> dict[Address, Before]:
    """The images of `addresses` at `revision`, those that there were, below the folder `scratch`.

    Raises NotBuilt.
    """
    arguments = session[OptionsBootstrapper].args[1:]
    dist, peeked = os.path.join(scratch, "dist"), os.path.join(scratch, "peeked.json")
    variables = variables_of(environment)
    (names,) = await engine.create_digests(
        [CreateDigest([FileContent(_VARIABLES, json.dumps(sorted(variables)).encode())])]
    )
    step = process(
        bundler,
        (
            "at-revision",
            f"--repository={get_buildroot()}",
            f"--revision={revision}",
            f"--checkout={os.path.join(scratch, 'checkout')}",
            f"--variables={_VARIABLES}",
            f"--take={_DIST}",
            f"--taken={dist}",
            f"--out={peeked}",
            "--",
            *pants_command(options_of(arguments), addresses),
        ),
        description=f"Build images as they were at {revision}",
        inputs=names,
    )
    images = ", ".join(map(str, addresses))
    _logger.info(f"Building {images} as at {revision}, in a checkout of it.")
    exit_code = await engine.run_interactively(
        InteractiveProcess(
            argv=step.argv,
            # For this process alone, which is never cached.
            env={**step.env, **{name: Unprinted(value) for name, value in variables.items()}},
            input_digest=step.input_digest,
            immutable_input_digests=step.immutable_input_digests,
        )
    )
    if exit_code:
        raise NotBuilt(exit_code)
    with open(peeked, "rb") as file:
        # Nothing at all where it matched no target.
        targets = json.loads(file.read() or b"[]")
    found = ((address, before(targets, address, dist)) for address in addresses)
    return {address: image for address, image in found if image is not None}
