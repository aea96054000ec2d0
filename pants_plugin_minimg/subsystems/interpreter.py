"""Which Python the sandbox program runs on."""

from __future__ import annotations

import os
import sys

from pants.backend.python.util_rules.pex_environment import PythonExecutable

#: What the lock of the sandbox program serves: from the first up to, not including, the second.
OLDEST, TOO_NEW = (3, 9), (3, 15)
CONSTRAINTS = (f"CPython>={OLDEST[0]}.{OLDEST[1]},<{TOO_NEW[0]}.{TOO_NEW[1]}",)


def own_interpreter(version: tuple[int, ...], executable: str) -> PythonExecutable | None:
    """The interpreter that Pants itself runs on, if the sandbox program runs on it too.

    Pants' search by constraints starts every interpreter of the machine, and does so again in each
    run without pantsd. `executable` may be a link of a virtual environment: what it leads to is
    there for longer, and the same for all checkouts of a machine.
    """
    if not OLDEST <= version < TOO_NEW:
        return None
    return PythonExecutable(os.path.realpath(executable), ".".join(map(str, version)))


def interpreter(local: bool) -> PythonExecutable | None:
    """None: Pants has to search. `local`: processes run where Pants does."""
    return own_interpreter(sys.version_info[:3], sys.executable) if local else None
