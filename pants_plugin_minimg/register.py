"""What Pants loads: `backend_packages = ["pants_plugin_minimg"]`."""

from __future__ import annotations

from pants.backend.python.util_rules import pex
from pants.build_graph.build_file_aliases import BuildFileAliases

from pants_plugin_minimg import engine
from pants_plugin_minimg.goals import (
    diff,
    lock,
    package,
    package_index,
    publish,
    run,
    run_index,
    testing,
    why,
)
from pants_plugin_minimg.index_target import MinimalDockerIndexTarget
from pants_plugin_minimg.subsystems import bundler, debian, minimg, upx
from pants_plugin_minimg.subsystems import testing as test_options
from pants_plugin_minimg.sysroot_targets import DebianSysrootTarget, RootfsSysrootTarget
from pants_plugin_minimg.target_types import (
    ImageFile,
    MinimalDockerImageTarget,
    image_healthcheck,
)
from pants_plugin_minimg.testing_target import (
    ImageHttp,
    MinimalDockerImageTestTarget,
    image_case,
)
from pants_plugin_minimg.util_rules import host, registries


def rules():  # type: ignore[no-untyped-def]
    return [
        *pex.rules(),
        *engine.rules(),
        *bundler.rules(),
        *minimg.rules(),
        *upx.rules(),
        *debian.rules(),
        *host.rules(),
        *diff.rules(),
        *lock.rules(),
        *why.rules(),
        *registries.rules(),
        *package.rules(),
        *package_index.rules(),
        *publish.rules(),
        *run.rules(),
        *run_index.rules(),
        *test_options.rules(),
        *testing.rules(),
    ]


def target_types():  # type: ignore[no-untyped-def]
    return [
        MinimalDockerImageTarget,
        MinimalDockerIndexTarget,
        MinimalDockerImageTestTarget,
        DebianSysrootTarget,
        RootfsSysrootTarget,
    ]


def build_file_aliases() -> BuildFileAliases:
    return BuildFileAliases(
        objects={
            "image_case": image_case,
            "image_file": ImageFile,
            "image_healthcheck": image_healthcheck,
            "image_http": ImageHttp,
        }
    )
