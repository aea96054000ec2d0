"""Which Python the sandbox program runs on."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib.resources import files

from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPathTest
from pants.engine.environment import EnvironmentName
from pants.engine.process import Process, ProcessCacheScope
from pants.util.logging import LogLevel

from pants_plugin_minimg import engine

#: What the lock of the sandbox program serves: from the first up to, not including, the second.
OLDEST, TOO_NEW = (3, 9), (3, 15)
VERSIONS = f"CPython {OLDEST[0]}.{OLDEST[1]} up to, not including, {TOO_NEW[0]}.{TOO_NEW[1]}"
#: The same of its compiled wheels, which are for the usual build of CPython, not the free-threaded.
_SERVED = re.compile(r'"cp3\d+-cp3\d+-(manylinux_2_17|musllinux_1_2)_(x86_64|aarch64)"')
MACHINES = "Linux on x86_64 or aarch64, with glibc from 2.17 on or musl from 1.2 on"
_NAMES = (
    "python3",
    *(f"python3.{minor}" for minor in range(TOO_NEW[1] - 1, OLDEST[1] - 1, -1)),
)
_TEST = BinaryPathTest(
    (
        "-I",
        "-S",
        "-c",
        "import sys; version = sys.version_info; print('%d.%d.%d' % version[:3]); "
        "sys.exit(sys.implementation.name != 'cpython' or "
        f"not {OLDEST} <= version[:2] < {TOO_NEW})",
    )
)


@dataclass(frozen=True)
class Interpreter:
    """`fingerprint` changes with its version.

    `platform`: the wheels that it takes, in the JSON of pex's complete platforms, where it is not
    on this machine. `builder`: the local environment, in which pex resolves them.
    """

    path: str
    fingerprint: str
    builder: EnvironmentName
    platform: str | None = None

    @property
    def served(self) -> bool:
        """Whether the lock has wheels for it. Where it is on this machine, pex sees to that."""
        return self.platform is None or _SERVED.search(self.platform) is not None


def own_interpreter(version: tuple[int, ...], executable: str) -> tuple[str, str] | None:
    """The interpreter that Pants itself runs on, if the sandbox program runs on it too: its path
    and version.

    To look for one is a process in each run without pantsd. `executable` may be a link of a virtual
    environment: what it leads to is there for longer, and the same for all checkouts of a machine.
    """
    if not OLDEST <= version < TOO_NEW:
        return None
    return os.path.realpath(executable), ".".join(map(str, version))


async def interpreter(
    wanted: str | None,
    local: bool,
    search_path: engine.StandardSearchPath,
    builder: EnvironmentName,
) -> Interpreter | None:
    """None: there is none that will do; one that is not `served` where there is no better.

    `wanted`: a name or a path; `local`: processes run here.
    """
    own = own_interpreter(sys.version_info[:3], sys.executable) if local and not wanted else None
    if own is not None:
        return Interpreter(*own, builder)
    folder, name = os.path.split(wanted or "")
    unserved: Interpreter | None = None
    for each in (name,) if wanted else _NAMES:
        found = await engine.find_program(
            BinaryPathRequest(
                binary_name=each,
                search_path=(folder,) if folder else search_path.folders,
                test=_TEST,
            )
        )
        path = found.first_path
        if path is None:
            continue
        platform = None if local else await _platform(path.path)
        if not local and platform is None:
            continue
        python = Interpreter(path.path, path.fingerprint, builder, platform)
        if python.served:
            return python
        unserved = unserved or python
    return unserved


async def _platform(python: str) -> str | None:
    """None where it cannot tell: such an interpreter will not do."""
    program = files("pants_plugin_minimg.subsystems").joinpath("wheel_tags.py").read_text()
    (result,) = await engine.execute_all(
        [
            Process(
                (python, "-I", "-S", "-c", program),
                description=f"Ask {python} for its wheels",
                cache_scope=ProcessCacheScope.PER_RESTART_SUCCESSFUL,
                level=LogLevel.DEBUG,
            )
        ]
    )
    return result.stdout.decode().strip() if result.exit_code == 0 else None
