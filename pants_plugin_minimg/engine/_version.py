"""Which of the two forms of engine call a Pants version takes."""

from __future__ import annotations

from enum import Enum

#: What is built and tested against; anything else is refused or warned of.
SUPPORTED = "Pants 2.17.1, and 2.29 to 2.33"

_OLDEST_BY_GET = (2, 17, 1)
_OLDEST_BY_NAME, _NEWEST = (2, 29), (2, 33)


class Form(Enum):
    BY_GET = "Get(...)"
    BY_NAME = "call by name"


def form_for(release: tuple[int, ...]) -> Form | None:
    """The form for a release such as `(2, 17, 1)`; None for one that is too old for either.

    Pants 2.18 to 2.28 have some of the rules that are called by name, and not all of them.
    """
    if release[:2] >= _OLDEST_BY_NAME:
        return Form.BY_NAME
    if release[:2] == _OLDEST_BY_GET[:2] and release >= _OLDEST_BY_GET:
        return Form.BY_GET
    return None


def refusal(version: str) -> str:
    return f"pants-plugin-minimg needs {SUPPORTED}; this is Pants {version}. Set `pants_version`."


def warning(version: str, release: tuple[int, ...]) -> str | None:
    """What to say about a version that is newer than all that were tested."""
    if release[:2] <= _NEWEST:
        return None
    return f"pants-plugin-minimg was tested with {SUPPORTED}; this is Pants {version}."
