"""Whether a PEX fits an interpreter: its constraints, and the tags of its wheels.

PEP 425 (tags), PEP 600 (manylinux_X_Y), PEP 656 (musllinux), PEP 440 (versions of constraints).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.python.interpreter import Interpreter

#: ELF's machine -> what `uname -m` calls it.
MACHINES = {
    62: "x86_64",
    183: "aarch64",
    40: "armv7l",
    3: "i686",
    243: "riscv64",
    21: "ppc64le",
    22: "s390x",
}
_OLD = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_LINUX = re.compile(r"(many|musl)linux_(\d+)_(\d+)_(\w+)\Z")
_CONSTRAINT = re.compile(r"\s*([A-Za-z]*)\s*(.*)")
#: More than any version of Python has had.
_MOST_RELEASES = 50
_VERSION = re.compile(
    r"(?:(\d+)!)?(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?(?:\.post(\d+))?(?:\.dev(\d+))?(?:\+.*)?\Z"
)
_SPECIFIER = re.compile(r"(===|==|!=|~=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?\Z")


def check(
    interpreter: Interpreter,
    constraints: Sequence[str],
    wheels: Sequence[str],
    origin: str,
) -> Iterator[MinimgError]:
    """MINIMG-E044 for each thing that does not fit."""
    if constraints and not any(satisfies(each, interpreter.version) for each in constraints):
        version = ".".join(map(str, interpreter.version))
        yield MinimgError(
            "MINIMG-E044",
            origin,
            f"it is for {' or '.join(constraints)}, and the sysroot has Python {version}",
            "Take another sysroot, or other `interpreter_constraints`.",
        )
    for wheel in wheels:
        problem = misfit(wheel, interpreter)
        if problem is not None:
            yield MinimgError(
                "MINIMG-E044",
                origin,
                f"{wheel}: {problem}",
                "Build the PEX for the sysroot (`complete_platforms`), or take another sysroot.",
            )


def lacks(
    interpreter: Interpreter, missing: Iterable[tuple[str, str]], origin: str
) -> Iterator[MinimgError]:
    """MINIMG-E044 for each requirement (and who has it) for which the PEX has no distribution."""
    for requirement, by in missing:
        yield MinimgError(
            "MINIMG-E044",
            origin,
            f"{by} needs {requirement} on Python {interpreter.short}, and the PEX does not hold it",
            "Build the PEX for the sysroot (`complete_platforms`), or take another sysroot.",
        )


def chosen(wheels: Iterable[str], interpreter: Interpreter) -> list[str]:
    """Of each project the wheel that is taken, as a PEX for several Pythons leaves it open: the
    newest version that fits, and the most specific tags. Where none fits, the newest, for `check`.
    """
    best: dict[str, tuple[Any, str]] = {}
    for wheel in wheels:
        project, version, tags = _parts(wheel)
        fits = misfit(wheel, interpreter) is None
        rank = (fits, _version_key(version), _specific(tags), wheel)
        if project not in best or rank > best[project][0]:
            best[project] = rank, wheel
    return sorted(wheel for _, wheel in best.values())


def _parts(wheel: str) -> tuple[str, str, str]:
    """Normalized name, version and tags (PyPA specifications, "Binary distribution format")."""
    parts = wheel[: -len(".whl")].split("-") if wheel.endswith(".whl") else []
    if len(parts) < 5:
        return wheel, "", ""
    return re.sub(r"[-_.]+", "-", parts[0]).lower(), parts[1], "-".join(parts[-3:])


def _specific(tags: str) -> int:
    """Code for one Python before that for several, and that before none."""
    return 0 if tags.endswith("-any") else 1 if "-abi3-" in tags else 2


def _version_key(version: str) -> tuple[Any, ...]:
    """Sorts versions (PEP 440), those that are none before all others."""
    match = _VERSION.match(version)
    if match is None:
        return (-1,)
    epoch, release, pre, pre_number, post, dev = match.groups()
    numbers = [int(number) for number in release.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    # A development version of a release comes before its previews.
    stage = "z" if pre is None and dev is None else pre or ""
    return (
        int(epoch or 0),
        numbers,
        stage,
        int(pre_number or 0),
        -1 if post is None else int(post),
        float("inf") if dev is None else int(dev),
    )


def satisfies(constraint: str, version: tuple[int, ...]) -> bool:
    """Whether `CPython>=3.9,<3.12` holds for a version of CPython.

    Of a third part that is not known, any that fits will do.
    """
    match = _CONSTRAINT.match(constraint)
    if match is None or match[1] not in ("", "CPython"):
        return False
    parts = [part.strip() for part in match[2].split(",") if part.strip()]
    thirds = version[2:] or range(_MOST_RELEASES)
    candidates = ((version[0], version[1], third) for third in thirds)
    return any(all(specified(part, each) for part in parts) for each in candidates)


def is_specifier(text: str) -> bool:
    """Whether `specified` decides it as PEP 440 does: `===` compares text."""
    match = _SPECIFIER.match(text)
    if match is None or match[1] == "===":
        return False
    parts = match[2].count(".") + 1
    if match[3] and match[1] not in ("==", "!="):
        return False
    return parts <= 3 and (match[1] != "~=" or parts > 1)


def specified(specifier: str, version: tuple[int, int, int]) -> bool:
    """Whether a version is one that `>=3.9` means (PEP 440); False for what is no specifier."""
    match = _SPECIFIER.match(specifier)
    if match is None:
        return False
    operator, prefix = match[1], bool(match[3])
    wanted = tuple(map(int, match[2].split(".")))
    if prefix:
        same = version[: len(wanted)] == wanted
        return same if operator == "==" else operator == "!=" and not same
    whole = (*wanted, 0, 0)[:3]
    if operator == "~=":
        return version >= whole and version[: len(wanted) - 1] == wanted[:-1]
    return {
        "<": version < whole,
        "<=": version <= whole,
        ">": version > whole,
        ">=": version >= whole,
        "==": version == whole,
        "===": version == whole,
        "!=": version != whole,
    }[operator]


def misfit(wheel: str, interpreter: Interpreter) -> str | None:
    """Why none of a wheel's tags fits, or None. A name without tags is no wheel, and fits."""
    parts = wheel[: -len(".whl")].split("-") if wheel.endswith(".whl") else []
    if len(parts) < 5:
        return None
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    if not any(_python_fits(p, a, interpreter) for p in pythons for a in abis):
        return f"{parts[-3]}-{parts[-2]} on a sysroot with Python {interpreter.short}"
    reasons = [_platform_misfit(platform, interpreter) for platform in platforms]
    return None if None in reasons else str(reasons[0])


def _python_fits(python: str, abi: str, interpreter: Interpreter) -> bool:
    major, minor = interpreter.version[:2]
    match = re.match(r"(cp|py)(\d)(\d*)\Z", python)
    if match is None or int(match[2]) != major:
        return False
    tagged = int(match[3]) if match[3] else None
    if abi == "none":
        return tagged is None or tagged <= minor if match[1] == "py" else tagged == minor
    if abi == "abi3":
        return tagged is None or tagged <= minor
    # Further letters are of other builds, such as the free-threaded one's; `m` was 3.7's own.
    own = f"cp{major}{minor}"
    return match[1] == "cp" and tagged == minor and abi in (own, f"{own}m")


def _platform_misfit(platform: str, interpreter: Interpreter) -> str | None:
    if platform == "any":
        return None
    machine = MACHINES.get(interpreter.machine, "")
    if not platform.endswith(f"_{machine}"):
        return f"{platform} on a sysroot for {machine or 'an unknown machine'}"
    family = platform[: -len(machine) - 1]
    match, glibc = _LINUX.match(platform), interpreter.glibc
    if family == "linux":
        return None
    if family in _OLD or (match is not None and match[1] == "many"):
        wanted = _OLD[family] if match is None else (int(match[2]), int(match[3]))
        if glibc is None:
            return f"{platform} on a sysroot with musl"
        if wanted > glibc:
            return f"{platform} on glibc {glibc[0]}.{glibc[1]}"
        return None
    if match is not None:
        return None if glibc is None else f"{platform} on a sysroot with glibc"
    return f"{platform} is not for Linux"
