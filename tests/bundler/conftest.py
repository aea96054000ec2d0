"""Fixtures of the bundler's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

from . import rootfs


@pytest.fixture
def root(tmp_path: Path) -> rootfs.Root:
    """An empty file system to put files into."""
    return rootfs.Root(tmp_path / "root")


@pytest.fixture
def host() -> DirSysroot:
    return DirSysroot(os.fsencode("/"))
