"""The bundler's command line: `python -m pants_plugin_minimg.bundler COMMAND …`.

Exit status 0: done. 1: `closure`, `verify` or `diff` found something. 2: bad input; standard error
holds one line for each problem and nothing else (of `push`: after what skopeo said). 3: `trial` has
nothing to run an image with. 4: it failed, as on a full disk. 130: it was interrupted. What a
command that fails has begun to write is removed.
"""

from __future__ import annotations

import gc
import io
import os
import sys

from pants_plugin_minimg.bundler import outputs
from pants_plugin_minimg.bundler.errors import MinimgError, Problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Which module of `commands` has a command: it alone is imported, as every process pays for it.
_COMMANDS = {
    "closure": "closure",
    **dict.fromkeys(("plan", "list-index"), "plan"),
    **dict.fromkeys(("layer", "pack", "image", "index", "tar"), "image"),
    **dict.fromkeys(("lock", "sources"), "lock"),
    "scope": "scope",
    **dict.fromkeys(("unpack", "rootfs"), "unpack"),
    **dict.fromkeys(("referrer", "push"), "push"),
    "verify": "verify",
    "trial": "trial",
    "packtrial": "packtrial",
    "html": "html",
    **dict.fromkeys(("why", "diff", "blobs"), "why"),
    "at-revision": "revision",
}

_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 4, 130
#: Objects between two looks for circles. Most steps end with fewer, and then none is made; by
#: Python's own number, some hundreds, many are.
_OBJECTS = 100_000


def options_of(arguments: list[str]) -> Any:
    """What the words mean, with the function `run` of their command. SystemExit for bad ones."""
    wanted = next((_COMMANDS[word] for word in arguments[:1] if word in _COMMANDS), None)
    if wanted:
        from pants_plugin_minimg.bundler.commands import plainwords

        plain = plainwords.read(wanted, arguments)
        if plain is not None:
            return plain
    from pants_plugin_minimg.bundler.commands import words

    modules = [wanted] if wanted else list(dict.fromkeys(_COMMANDS.values()))
    return words.parser(__doc__, modules).parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = options_of(arguments)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # None where it was closed by who started us
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal's character set has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        written = (getattr(options, name, None) for name in ("out", "tar"))
        with outputs.removed_on_failure(*filter(None, written)):
            status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except Problems as problems:
        print(problems, file=sys.stderr)
    except MinimgError as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        _end_output()
    except OSError as error:
        _end_output()
        print(f"bundler {arguments[0]}: {error}", file=sys.stderr)
        return _FAILED
    except Exception:
        # Python's own status for it is 1, which means another thing here.
        import traceback

        traceback.print_exc()
        return _FAILED
    return _BAD_INPUT


def _end_output() -> None:
    """What cannot be written would fail once more when Python ends, with a status of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def start() -> None:
    """The program as a process of its own."""
    gc.set_threshold(_OBJECTS)
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        _end_output()
        os._exit(_INTERRUPTED)  # threads that still fetch something are not waited for
    gc.freeze()  # else Python ends with a look for circles in all that is there
    sys.exit(status)


if __name__ == "__main__":
    start()
