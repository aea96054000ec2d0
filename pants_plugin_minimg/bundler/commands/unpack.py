"""The commands `unpack` and `rootfs`: they make what a sysroot consists of readable in place."""

from __future__ import annotations

import os

from pants_plugin_minimg.bundler import jsonfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    deb = commands.add_parser("unpack", help="make a Debian package readable in place")
    deb.add_argument("--deb", required=True)
    deb.add_argument("--sha256", required=True, help="of the package file, in hex")
    deb.add_argument("--size", required=True, type=int, help="of the package file, in bytes")
    deb.add_argument("--limit", required=True, type=int, help="bytes that its files may take")
    deb.add_argument("--out", required=True, help="a folder, which must not be there")
    deb.set_defaults(run=run_unpack)

    rootfs = commands.add_parser("rootfs", help="make a root file system readable in place")
    rootfs.add_argument(
        "--in", dest="source", required=True, help="a tar, an OCI layout or a `docker save` tar"
    )
    rootfs.add_argument("--architecture", help="as OCI names it, to choose among several images")
    rootfs.add_argument("--limit", required=True, type=int, help="bytes that it may unpack to")
    rootfs.add_argument("--out", required=True, help="a folder, which must not be there")
    rootfs.set_defaults(run=run_rootfs)


def run_unpack(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.debian.unpack import unpack

    unpack(options.deb, options.sha256, options.size, options.limit, options.out)


def run_rootfs(options: argparse.Namespace) -> None:
    from pants_plugin_minimg.bundler.debian import dpkg, listindex
    from pants_plugin_minimg.bundler.tars import rootfs

    rootfs.convert(options.source, options.architecture, options.limit, options.out)
    lists = dpkg.list_index(rootfs.open_rootfs(options.out))
    jsonfile.write(os.path.join(options.out, listindex.FILE), lists)
