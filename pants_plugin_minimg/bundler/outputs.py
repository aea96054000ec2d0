"""What is there of an output when a command fails or is interrupted: all of it or nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pants_plugin_minimg.bundler.errors import MinimgError, of_the_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


@contextmanager
def replaced(path: str) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` when it is whole. Raises OSError.

    What is no regular file, such as a pipe, is written to where it is.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            yield file
        return
    path = os.path.realpath(path)  # a link stays one
    with removed_on_failure(partial := path + ".partial"):
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)


@contextmanager
def whole(out: str) -> Iterator[str]:
    """A folder to fill, which becomes `out` at the end.

    Raises MinimgError MINIMG-E001 when `out` cannot be written or is there already and not empty,
    and OSError for what the machine lacks.
    """
    out = os.path.normpath(out)
    with removed_on_failure(partial := out + ".partial"):
        with _writing(out):
            os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
            os.mkdir(partial)
        yield partial
        with _writing(out):
            os.replace(partial, out)


@contextmanager
def scratch(folder: str) -> Iterator[str]:
    """A new folder in `folder`, which is gone in the end. Raises OSError.

    As of `tempfile`, whose import takes longer than most plans need the folder for. What a run that
    was killed left there is in nobody's way.
    """
    path = os.path.join(folder, f".scratch-{os.getpid()}-{time.time_ns()}")
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        _remove(path)


@contextmanager
def _writing(out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if of_the_machine(error):
            raise
        problem = f"it cannot be written: {error.strerror or error}"
        raise MinimgError("MINIMG-E001", out, problem) from None


@contextmanager
def removed_on_failure(*paths: str) -> Iterator[None]:
    """Those of `paths` that are not there yet are removed when anything is raised."""
    new = [path for path in paths if not os.path.lexists(path)]
    try:
        yield
    except BaseException:
        for path in new:
            _remove(path)
        raise


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        with suppress(OSError):
            os.rmdir(path)
            return
        import shutil  # only here: it takes long to import

        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(path)
