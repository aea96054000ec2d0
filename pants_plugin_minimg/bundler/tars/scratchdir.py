"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from pants_plugin_minimg.bundler.errors import MinimgError, of_the_machine


@contextmanager
def whole(out: str) -> Iterator[str]:
    """A folder to fill, which becomes `out` at the end, and is removed when anything was raised.

    Raises MinimgError MINIMG-E001 when `out` cannot be written or is there already and not empty,
    and OSError for what the machine lacks.
    """
    out = os.path.normpath(out)
    partial = out + ".partial"
    try:
        os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
        os.mkdir(partial)
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        yield partial
        try:
            os.replace(partial, out)
        except OSError as error:
            raise _unwritable(out, error) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _unwritable(out: str, error: OSError) -> Exception:
    if of_the_machine(error):
        return error
    return MinimgError("MINIMG-E001", out, f"it cannot be written: {error.strerror or error}")
