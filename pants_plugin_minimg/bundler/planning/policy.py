"""What an image's own fields forbid: libraries that are not listed, more bytes than a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.bundler.text import text

if TYPE_CHECKING:
    from pants_plugin_minimg.bundler.loader import Closure, Loaded
    from pants_plugin_minimg.bundler.rendering.imagespec import Budget

_LARGEST = 5


def libraries(patterns: Sequence[str], closures: Iterable[Closure]) -> Iterator[MinimgError]:
    """MINIMG-E036 for each library of the closures that no pattern matches; the loader is none.

    A pattern is matched with the name that is asked for, as fnmatch(3) does.
    """
    told = set()
    for closure in closures:
        for item in closure.loaded:
            name = text(item.name.rpartition(b"/")[2])
            if item.via == "interp" or name in told:
                continue
            if not any(fnmatchcase(name, pattern) for pattern in patterns):
                told.add(name)
                yield _not_allowed(name, item, closure)


def _not_allowed(name: str, item: Loaded, closure: Closure) -> MinimgError:
    by = {loaded.path: loaded.by for loaded in closure.loaded}
    chain, seen = [item.by], {item.by}
    while chain[-1] in by and by[chain[-1]] not in seen:
        chain.append(by[chain[-1]])
        seen.add(chain[-1])
    return MinimgError(
        "MINIMG-E036",
        text(item.walk.real),
        f"`allowed_libraries` has no {name}, which is needed by {', for '.join(map(text, chain))}",
        f'Do without it, or add "{name}" to `allowed_libraries`.',
    )


def sizes(
    budget: Budget,
    address: str,
    image: dict[str, Any],
    entries: Sequence[Entry],
    packed: Sequence[dict[str, Any]],
) -> Iterator[MinimgError]:
    """MINIMG-E037 for a budget that the image exceeds. `image` is its part of the info JSON,
    `packed` what report.programs gives."""
    for field, most, key in (
        ("max_size", budget.disk, "size_on_disk"),
        ("max_wire_size", budget.wire, "size_on_wire"),
    ):
        if most is not None and image[key] > most:
            yield MinimgError(
                "MINIMG-E037",
                address,
                f"the image has {shown(image[key])} ({image[key]} bytes), and `{field}` allows "
                f"{shown(most)}; the largest files: {_largest(entries, packed)}",
                "Make it smaller, or raise the budget.",
            )


def _largest(entries: Sequence[Entry], packed: Sequence[dict[str, Any]]) -> str:
    """As they are in the image: packed ones by their packed size."""
    smaller = {item["path"]: int(item["packed"]) for item in packed if item["outcome"] == "packed"}
    files = [
        (smaller.get(text(entry.path), entry.size), text(entry.path))
        for entry in entries
        if entry.kind == "file"
    ]
    files.sort(key=lambda file: (-file[0], file[1]))
    return ", ".join(f"{path} {shown(size)}" for size, path in files[:_LARGEST])
