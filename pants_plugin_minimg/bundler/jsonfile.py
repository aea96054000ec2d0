"""JSON between the steps: read with one error for all that can be wrong, written canonically."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pants_plugin_minimg.bundler import outputs
from pants_plugin_minimg.bundler.errors import MinimgError, of_the_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns whatever a malformed document makes Python raise into MINIMG-E001 about `path`.

    Raises OSError for what the machine lacks, such as space.
    """
    try:
        yield
    except OSError as error:
        if of_the_machine(error):
            raise
        raise MinimgError(
            "MINIMG-E001", path, f"it cannot be read: {error.strerror or error}"
        ) from None
    except KeyError as error:
        raise MinimgError("MINIMG-E001", path, f"there is no {error.args[0]!r} in it") from None
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MinimgError(
            "MINIMG-E001", path, f"not a file that this version reads: {error}"
        ) from None


def parse(content: bytes) -> Any:
    """Raises ValueError."""
    return json.loads(content)


def load(path: str) -> dict[str, Any]:
    """The object in `path`. Raises MinimgError MINIMG-E001 for any other content or version."""
    with reading(path):
        with open(path, "rb") as file:
            raw = parse(file.read())
        if raw["version"] != VERSION:
            raise ValueError(f"version {raw['version']!r} where {VERSION} is understood")
        if not isinstance(raw, dict):
            raise TypeError("not an object")
        return raw


def canonical(document: Any) -> bytes:
    """The only bytes that an equal document has: keys sorted, no spaces, ASCII, one newline."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def readable(document: Any) -> bytes:
    """As canonical, laid out for people."""
    return json.dumps(document, sort_keys=True, indent=2).encode("ascii") + b"\n"


def write(path: str, content: bytes) -> None:
    """All of it or nothing. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with outputs.replaced(path) as file:
        file.write(content)
