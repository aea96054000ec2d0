"""Which Python the sandbox program runs on."""

from __future__ import annotations

import os
import sys

from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPathTest

from pants_plugin_minimg import engine

#: What the lock of the sandbox program serves: from the first up to, not including, the second.
OLDEST, TOO_NEW = (3, 9), (3, 15)
VERSIONS = f"CPython {OLDEST[0]}.{OLDEST[1]} up to, not including, {TOO_NEW[0]}.{TOO_NEW[1]}"
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


def own_interpreter(version: tuple[int, ...], executable: str) -> PythonExecutable | None:
    """The interpreter that Pants itself runs on, if the sandbox program runs on it too.

    To look for one is a process in each run without pantsd. `executable` may be a link of a virtual
    environment: what it leads to is there for longer, and the same for all checkouts of a machine.
    """
    if not OLDEST <= version < TOO_NEW:
        return None
    return PythonExecutable(os.path.realpath(executable), ".".join(map(str, version)))


async def interpreter(
    wanted: str | None, local: bool, search_path: engine.StandardSearchPath
) -> PythonExecutable | None:
    """None: there is none that will do. `wanted`: a name or a path; `local`: processes run here.

    Its fingerprint changes with its version.
    """
    own = own_interpreter(sys.version_info[:3], sys.executable) if local and not wanted else None
    if own is not None:
        return own
    folder, name = os.path.split(wanted or "")
    for each in (name,) if wanted else _NAMES:
        found = await engine.find_program(
            BinaryPathRequest(
                binary_name=each,
                search_path=(folder,) if folder else search_path.folders,
                test=_TEST,
            )
        )
        if found.first_path is not None:
            return PythonExecutable(found.first_path.path, found.first_path.fingerprint)
    return None
