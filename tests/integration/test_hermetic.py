"""The flagship is the same, bit for bit, on machines that have nothing of it.

The digests below change only with the bytes of the image; the commit that changes one says which.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.debian import sources
from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository, source_root

DIGESTS = {
    "hlint_image": "sha256:572c00cf2121dec646b50ec639fe27e1c25c48c73e96da009e678544c5bb2384",
    "hlint_image_plain": "sha256:3061205776c28f03a2bc50887145f8788c7b4730fabefc24074c27232dce4d5b",
}
TARGETS = [f"//tools:{name}" for name in DIGESTS]
#: Of another release than the packages are, with what a CPython from elsewhere needs to start.
RELEASE = "trixie"
INCLUDED = (
    "ca-certificates,libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6,libreadline8t64,"
    "libsqlite3-0,libssl3t64,libuuid1,zlib1g"
)
SYSTEM_PYTHONS = sorted(Path("/usr/bin").glob("python3.1?"))
DECOYS = """
for program in git hlint upx upx-ucl docker dpkg python3 gcc; do
  rm -f /usr/bin/$program /usr/local/bin/$program
done
mount -t tmpfs tmpfs /var/lib/dpkg
rm -rf /usr/share/doc /usr/share/ca-certificates
echo decoy > /usr/lib/x86_64-linux-gnu/libyaml-0.so.2
"""


def _examples(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("dist", ".pants.d", ".pids")
    return Path(shutil.copytree(source_root() / "examples", folder / "examples", ignore=ignored))


def _options(store: Path, python: str = "") -> str:
    other = f'python = "{python}"' if python else ""
    return f"""
    local_store_dir = "{store}"
    [minimg]
    {other}
    [minimg-upx]
    sysroot = "//sysroots:upx"
    """


def _other_python() -> str:
    """The path of the newest CPython that is not the one of Pants."""
    found: dict[int, str] = {}
    for path in [*Path.home().glob(".pyenv/versions/3.1?.*/bin/python3.1?"), *SYSTEM_PYTHONS]:
        minor = int(path.name.partition(".")[2])
        done = subprocess.run([str(path), "-Ic", "import ssl, venv"], capture_output=True)
        if done.returncode == 0 and 10 <= minor <= 11:
            found[minor] = str(path)
    if not found:
        requirements.unavailable(
            "there is no CPython from 3.10 to 3.11, which PEX of Pants 2.17.1 knows"
        )
    return found[max(found)]


def _digests(repository: Repository) -> dict[str, str]:
    return {
        name: images.read(repository.dist(f"tools/{name}.tar")).manifest_digest for name in DIGESTS
    }


@pytest.fixture
def decoys(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The prefix of a command that sees this machine with decoys in place of what it has."""
    requirements.working(["unshare", "-m", "true"])
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    mount = (
        f"mount -t overlay overlay -o lowerdir=/usr,upperdir={tmp_path}/upper,"
        f"workdir={tmp_path}/work /usr\n{DECOYS}\necho ready\nexec sleep 3600"
    )
    holder = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-euc", mount],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    yield ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--wd=.")
    holder.kill()
    holder.wait()


def test_with_decoys_in_place_of_what_the_machine_has(
    decoys: tuple[str, ...], tmp_path: Path
) -> None:
    requirements.debian_mirror("bookworm")
    umask = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = _other_python()
    repository = Repository(
        _examples(tmp_path),
        prefix=(*decoys, *umask),
        env={"TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "TMPDIR": str(elsewhere), "USER": "eve"},
        options=_options(tmp_path / "store", python),
    )
    run = repository.pants("package", *TARGETS).succeeded()
    assert f'"--python", "{python}"' in run.stderr
    assert {"plan", "layer", "pack", "image"} <= set(run.ours())
    assert _digests(repository) == DIGESTS


def _mirror(suite: str) -> str:
    for source in sources.load("/etc/apt").sources:
        if suite in source.suites:
            return source.uri
    requirements.unavailable(f"the apt sources of this machine name no mirror for {suite}")


class Other:
    """A root of another release, in which nothing of this machine's /usr is visible."""

    def __init__(self, root: Path, shared: list[Path]) -> None:
        self.root = root
        binds = [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        for path in shared:
            inside = root / str(path).lstrip("/")
            inside.mkdir(parents=True, exist_ok=True)
            binds.append(f"mount --bind {path} {inside}")
        self._script = "\n".join(binds)

    def prefix(self, uid: int, folder: Path) -> tuple[str, ...]:
        enter = (
            f"{self._script}\nexec chroot --userspec={uid}:{uid} {self.root} "
            f'sh -c \'cd {folder} && exec "$@"\' sh "$@"'
        )
        return ("unshare", "-m", "--propagation", "private", "sh", "-euc", enter, "sh")


def test_on_a_machine_of_another_release(tmp_path: Path) -> None:
    """Another C library, user and home; no hlint, git, UPX, docker, compiler or Python there."""
    requirements.working(["unshare", "-m", "true"])
    if "MINIMG_PANTS" in os.environ:
        requirements.unavailable("what ./pants installs goes there: MINIMG_PANTS names another")
    mirror = _mirror("bookworm")
    root = tmp_path / "other"
    bootstrap = requirements.program("debootstrap")
    done = subprocess.run(
        [bootstrap, "--variant=minbase", f"--include={INCLUDED}", RELEASE, str(root), mirror],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert not [
        name
        for name in ("git", "hlint", "upx", "docker", "python3", "gcc")
        if (root / "usr/bin" / name).exists()
    ]

    # The launcher's own Pants and its CPython, the plugin, and how to reach an index.
    version = subprocess.run(
        [str(source_root() / "pants"), "--no-pantsd", "--version"], check=True, cwd=source_root()
    )
    assert version.returncode == 0
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimg-pants"
    interpreters = {
        Path(os.path.realpath(python)).parents[1] for python in cache.glob("*/venv/bin/python")
    }
    work = Path("/w")
    shutil.copytree(
        source_root(),
        root / "w/source",
        ignore=shutil.ignore_patterns(
            ".git", "dist", ".pants.d", ".pids", "__pycache__", ".mypy_cache", ".ruff_cache"
        ),
    )
    for name in ("resolv.conf", "ssl/certs/ca-certificates.crt", "pip.conf"):
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), root / "etc" / name)
    home = root / "w/home"
    home.mkdir()
    repository = Repository(root / "w/source/examples", options=_options(Path("/w/store")))
    settings = root / "w/source/examples/pants.toml"
    settings.write_text(settings.read_text().replace(str(source_root()), "/w/source"))
    subprocess.run(["chown", "-R", "4321:4321", str(root / "w")], check=True)
    for path in (cache, *interpreters):
        for parent in reversed(path.parents):
            inside = root / str(parent).lstrip("/")
            inside.mkdir(exist_ok=True)
            # More than it had: a cache may lie below /tmp, which all may write to.
            inside.chmod(inside.stat().st_mode & 0o7777 | 0o755)
    other = Other(root, [cache, *sorted(interpreters)])
    inherited = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "http"))}
    done = subprocess.run(
        [
            *other.prefix(4321, work / "source/examples"),
            "../pants",
            "--level=debug",
            f"--minimg-debian-mirrors=['{mirror}']",
            "package",
            *TARGETS,
        ],
        env={
            **inherited,
            "HOME": "/w/home",
            "XDG_CACHE_HOME": str(cache.parent),
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "PANTS_NAMED_CACHES_DIR": "/w/named",
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    lines = [line for line in done.stderr.splitlines() if "[DEBUG]" not in line]
    assert done.returncode == 0, "\n".join(lines)
    assert _digests(repository) == DIGESTS
