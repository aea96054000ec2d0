"""The same image by debootstrap and the articles' lines, and by `docker build`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure
from benchmarks.engine import Engine
from benchmarks.peers import shell_lines
from benchmarks.peers.peer import PROGRAMS, Peer, imported
from benchmarks.rows import Row

PACKAGES = ("hlint", "git")
LABEL = "minimg-benchmark"
SCRIPT = Path(shell_lines.__file__).with_suffix(".sh")
# A minimal system has no readelf; ldd names the loader, too.
LINES = (
    """readelf() { ldd "$2" | sed -n 's|^[[:space:]]*\\(/.*\\) (.*|interpreter: \\1]|p'; }; """
    f"set -- /image {' '.join(PROGRAMS)}; . /shell_lines.sh"
)
INSTALL = f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


NETWORK, LOCAL = SCENARIOS = ("network", "downloaded")
DEBOOTSTRAP, BUILD = "debootstrap + shell lines", "docker build"


def all_peers(
    suite: str, mirror: str, scratch: Path, engine: Engine | None
) -> list[tuple[Peer | None, Row]]:
    """Each from the network, and with its packages downloaded before the clock starts. None where
    it cannot run."""
    found: list[tuple[Peer | None, Row]] = []
    for name, make in ((DEBOOTSTRAP, debootstrap), (BUILD, docker_build)):
        why_not = _why_not(name, engine)
        if why_not is None:
            try:
                peers = make(suite, mirror, scratch, engine)
                found += [(peer, Row(peer.name, False)) for peer in peers]
            except measure.CommandFailed as error:
                why_not = str(error).replace(mirror, "$MIRROR").replace(str(scratch), ".")
        if why_not is not None:
            rows = [Row(f"{name}, {scenario}", False, why_not=why_not) for scenario in SCENARIOS]
            found += [(None, row) for row in rows]
    return found


def _why_not(name: str, engine: Engine | None) -> str | None:
    if name == BUILD and engine is None:
        return "needs a container engine"
    return cannot_debootstrap()


def cannot_debootstrap() -> str | None:
    missing = [name for name in ("debootstrap", "unshare", "chroot") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    return None if os.geteuid() == 0 else "needs root"


def debootstrap(suite: str, mirror: str, scratch: Path, engine: Engine | None) -> list[Peer]:
    """Fetches its packages. Raises measure.CommandFailed, with the mirror's name in the text."""
    tarball = scratch / "debs.tgz"
    fetching = [f"--make-tarball={tarball}", suite, str(scratch / "debs")]
    measure.run([*minbase(PACKAGES), *fetching, mirror], scratch)
    hidden = {str(tarball): "debs.tgz", str(SCRIPT): "shell_lines.sh", mirror: "$MIRROR"}

    def peer(name: str, tag: str, options: Sequence[str]) -> Peer:
        tree = (*minbase(PACKAGES), *options, suite, "root", mirror)
        packed = ("tar", "-C", "rootfs", "-cf", "image.tar", ".")
        return Peer(
            name=name,
            upx=False,
            program="debootstrap",
            steps=(
                tree,
                ("cp", str(SCRIPT), "root/shell_lines.sh"),
                ("chroot", "root", "sh", "-c", LINES),
                ("mv", "root/image", "rootfs"),
                packed if engine is None else imported(engine.program, tag),
            ),
            tag=None if engine is None else tag,
            version_command=("debootstrap", "--version"),
            slow=True,
            hidden=hidden,
        )

    unpacked = [f"--unpack-tarball={tarball}"]
    return [
        peer(f"{DEBOOTSTRAP}, {NETWORK}", f"{LABEL}/debootstrap-network:latest", ()),
        peer(f"{DEBOOTSTRAP}, {LOCAL}", f"{LABEL}/debootstrap:latest", unpacked),
    ]


def minbase(packages: Sequence[str]) -> tuple[str, ...]:
    """The command's beginning; suite, folder and mirror follow. Needs root."""
    # What it mounts goes with its own name space, however it ends.
    include = (f"--include={','.join(packages)}",) if packages else ()
    return ("unshare", "--mount", "debootstrap", "--variant=minbase", *include)


def docker_build(suite: str, mirror: str, scratch: Path, engine: Engine | None) -> list[Peer]:
    """Makes its base images, without a clock. Raises measure.CommandFailed as above."""
    assert engine is not None
    root = scratch / "base"
    measure.run([*minbase(()), suite, str(root), mirror], scratch)
    bases = {name: f"{LABEL}/{name}:latest" for name in ("base", "base-with-packages")}
    _import(root, bases["base"], engine)
    download = f"apt-get update && {INSTALL} --download-only"
    measure.run(["chroot", str(root), "sh", "-c", download], scratch)
    _import(root, bases["base-with-packages"], engine)
    shutil.rmtree(root)

    def peer(name: str, tag: str, base: str, install: str) -> Peer:
        recipe = scratch / f"{base}.dockerfile"
        recipe.write_text(dockerfile(bases[base], install))
        proxies = [word for name in PROXIES if name in os.environ for word in ("--build-arg", name)]
        hidden = {str(SCRIPT): "shell_lines.sh", str(scratch): ".", mirror: "$MIRROR"}
        build = (engine.program, "build", "--no-cache", "--force-rm", "--network=host", *proxies)
        return Peer(
            name=name,
            upx=False,
            program=engine.program,
            steps=(
                ("cp", str(SCRIPT), "shell_lines.sh"),
                ("cp", str(recipe), "Dockerfile"),
                (*build, "--tag", tag, "."),
            ),
            tag=tag,
            slow=True,
            env={"DOCKER_BUILDKIT": "0"},
            hidden=hidden,
        )

    install = {NETWORK: f"apt-get update && {INSTALL}", LOCAL: f"{INSTALL} --no-download"}
    return [
        peer(
            f"{BUILD}, {scenario}",
            f"{LABEL}/built-{scenario}:latest",
            {NETWORK: "base", LOCAL: "base-with-packages"}[scenario],
            install[scenario],
        )
        for scenario in SCENARIOS
    ]


def dockerfile(base: str, install: str) -> str:
    return f"""\
FROM {base} AS build
LABEL {LABEL}=yes
RUN {install}
COPY shell_lines.sh /
RUN {LINES}
FROM scratch
LABEL {LABEL}=yes
COPY --from=build /image /
"""


def forget_bases(engine: Engine) -> None:
    for name in ("base", "base-with-packages"):
        engine.forget(f"{LABEL}/{name}:latest")
    engine.prune(LABEL)


def _import(root: Path, tag: str, engine: Engine) -> None:
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            [engine.program, "import", "-", tag], stdin=tar.stdout, capture_output=True, check=False
        )
    if done.returncode != 0 or tar.returncode != 0:
        raise measure.CommandFailed(f"`{engine.program} import` of the base image failed")
