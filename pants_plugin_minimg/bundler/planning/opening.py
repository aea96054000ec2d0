"""Opens the sysroot that a request names."""

from __future__ import annotations

import os

from pants_plugin_minimg.bundler.planning.request import SysrootSource
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot, Sysroot


def open_sysroot(source: SysrootSource) -> Sysroot:
    """Raises MinimgError or Problems for packages that do not go together."""
    if source.kind == "debian":
        from pants_plugin_minimg.bundler.debian.stack import open_packages

        return open_packages(source.packages, dict(source.alternatives))
    if source.kind == "rootfs":
        from pants_plugin_minimg.bundler.tars.rootfs import open_rootfs

        return open_rootfs(source.root)
    return DirSysroot(os.fsencode(source.root))
