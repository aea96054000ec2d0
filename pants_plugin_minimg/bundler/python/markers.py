"""Environment markers, as they hold on a sysroot's Python (PyPA specifications, "Dependency
specifiers", PEP 508).

Nothing is run, so some variables have no value here. What depends on one of these, and what is not
understood, is open: neither true nor false.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Optional

from pants_plugin_minimg.bundler.python import compatibility
from pants_plugin_minimg.bundler.python.interpreter import Interpreter

#: True, False, or None: open.
Truth = Optional[bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<punct>[()])|(?P<op>===|==|!=|~=|<=|>=|<|>|not\s+in\b|in\b)|(?P<bool>and\b|or\b)
    |(?P<text>'[^']*'|"[^"]*")|(?P<name>[A-Za-z_][A-Za-z_.]*))""",
    re.VERBOSE,
)
#: Names of before PEP 508, which metadata may still have.
_OLD_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_UNKNOWN = ("platform_release", "platform_version")
_NUMBERS = re.compile(r"\d+(?:\.\d+){0,2}\Z")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class _Unread(ValueError):
    """A marker that is none."""


def environment(interpreter: Interpreter) -> dict[str, str | None]:
    """The variables of markers; None for those that only a run would tell."""
    full = ".".join(map(str, interpreter.version)) if len(interpreter.version) == 3 else None
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": compatibility.MACHINES.get(interpreter.machine),
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": full,
        "python_version": interpreter.short,
        "sys_platform": "linux",
        **dict.fromkeys(_UNKNOWN),
    }


def holds(marker: str, variables: Mapping[str, str | None], extras: Iterable[str]) -> Truth:
    """Whether a marker holds with any of `extras`, as PEX asks it; an empty marker does."""
    if not marker.strip():
        return True
    wanted = [normalized(extra) for extra in extras] or [""]
    found: Truth = False
    for extra in wanted:
        try:
            found = _either(found, _Reader(marker, {**variables, "extra": extra}).whole())
        except _Unread:
            return None
    return found


def normalized(name: str) -> str:
    """Of a project or an extra (PyPA specifications, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _either(one: Truth, other: Truth) -> Truth:
    return True if one or other else None if None in (one, other) else False


def _both(one: Truth, other: Truth) -> Truth:
    return False if False in (one, other) else None if None in (one, other) else True


class _Reader:
    """Reads and computes a marker from left to right; `and` binds closer than `or`."""

    def __init__(self, marker: str, variables: Mapping[str, str | None]) -> None:
        self._variables = variables
        self._tokens = list(_tokens(marker))
        self._at = 0

    def whole(self) -> Truth:
        found = self._any()
        if self._at != len(self._tokens):
            raise _Unread
        return found

    def _next(self) -> tuple[str, str]:
        self._at += 1
        if self._at > len(self._tokens):
            raise _Unread
        return self._tokens[self._at - 1]

    def _is(self, kind: str, value: str) -> bool:
        """Whether that comes next, which is then read."""
        if self._tokens[self._at : self._at + 1] != [(kind, value)]:
            return False
        self._at += 1
        return True

    def _any(self) -> Truth:
        found = self._all()
        while self._is("bool", "or"):
            found = _either(found, self._all())
        return found

    def _all(self) -> Truth:
        found = self._one()
        while self._is("bool", "and"):
            found = _both(found, self._one())
        return found

    def _one(self) -> Truth:
        if self._is("punct", "("):
            found = self._any()
            if not self._is("punct", ")"):
                raise _Unread
            return found
        left = self._next()
        kind, operator = self._next()
        right = self._next()
        if kind != "op" or {left[0], right[0]} - {"text", "name"} or left[0] == right[0]:
            raise _Unread
        about_extra = "extra" in (left[1], right[1])
        values = [self._value(token, about_extra) for token in (left, right)]
        return _compare(values[0], re.sub(r"\s+", " ", operator), values[1], right[0] == "name")

    def _value(self, token: tuple[str, str], about_extra: bool) -> str | None:
        kind, value = token
        if kind == "text":
            return normalized(value[1:-1]) if about_extra else value[1:-1]
        name = _OLD_NAMES.get(value, value)
        if name not in self._variables:
            raise _Unread
        return self._variables[name]


def _tokens(marker: str) -> Iterable[tuple[str, str]]:
    at, end = 0, len(marker.rstrip())
    while at < end:
        match = _TOKEN.match(marker, at)
        if match is None:
            raise _Unread
        yield str(match.lastgroup), match[str(match.lastgroup)]
        at = match.end()


def _compare(left: str | None, operator: str, right: str | None, flipped: bool) -> Truth:
    """By version where both are one, else by text. `flipped`: the variable is on the right."""
    if left is None or right is None:
        return None
    if operator in ("in", "not in"):
        return (left in right) is (operator == "in")
    if flipped:
        if operator not in _FLIPPED or left.endswith(".*"):
            return None
        left, operator, right = right, _FLIPPED[operator], left
    by_version = compatibility.is_specifier(operator + right)
    if by_version is not bool(_NUMBERS.match(left)):
        return None
    if by_version:
        numbers = [*map(int, left.split(".")), 0, 0]
        return compatibility.specified(operator + right, (numbers[0], numbers[1], numbers[2]))
    if operator in ("==", "!="):
        return (left == right) is (operator == "==")
    return None
