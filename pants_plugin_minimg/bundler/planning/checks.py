"""What a plan must satisfy before a byte of the image is written."""

from __future__ import annotations

from collections.abc import Iterator

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry, parents
from pants_plugin_minimg.bundler.planning.request import DEFAULT_PATH, Request
from pants_plugin_minimg.bundler.sysroots.globs import join
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import path_bytes, text


def paths(entries: dict[bytes, Entry]) -> Iterator[MinimgError]:
    """Names that a layer cannot hold, entries that lie below something that is no directory, and
    those that everybody may change."""
    for path, entry in entries.items():
        if entry.mode & 0o002 and not (entry.kind == "dir" and entry.mode & 0o1000):
            if entry.kind in ("file", "dir"):
                yield MinimgError(
                    "MINIMG-E013",
                    text(path),
                    f"everybody may write to it (mode {entry.mode:04o})",
                    "Give it to the user that writes, or make it a folder with the sticky bit, as "
                    'in `directories={"/tmp": "1777"}`.',
                )
        if any(name.startswith(b".wh.") for name in path.split(b"/")):
            yield MinimgError(
                "MINIMG-E013",
                text(path),
                "a name that starts with `.wh.` deletes a file of the layer below (OCI image "
                "specification, layer.md, Whiteouts)",
                "Rename it.",
            )
        if any(byte < 0x20 or byte == 0x7F for byte in path):
            yield MinimgError(
                "MINIMG-E013", repr(path), "its name holds a control character", "Rename it."
            )
        for parent in parents(path):
            above = entries.get(parent)
            if above is not None and above.kind != "dir":
                yield MinimgError(
                    "MINIMG-E012",
                    text(path),
                    f"it lies below {text(parent)}, which is a {above.kind}",
                    "Choose another place for one of them.",
                )


def entrypoint(request: Request, command: list[str], image: Sysroot) -> Iterator[MinimgError]:
    """The first word of the process must start: found, a file, executable (runc, libcontainer)."""
    remedy = "Set `entrypoint` to a program of the image."
    return _starts(request, command, image, "the process", remedy)


def healthcheck(request: Request, image: Sysroot) -> Iterator[MinimgError]:
    """What docker runs in the container, by the same rules."""
    remedy = "Name a program of the image in `healthcheck`."
    return _starts(request, list(request.healthcheck), image, "the health check", remedy)


def _starts(
    request: Request, command: list[str], image: Sysroot, what: str, remedy: str
) -> Iterator[MinimgError]:
    if not command:
        return
    name = path_bytes(command[0].replace("\\", "\\\\"))
    if b"/" in name:
        candidates = [name if name[:1] == b"/" else join(_workdir(request), name)]
    else:
        search = request.variable("PATH") or DEFAULT_PATH
        candidates = [join(path_bytes(folder), name) for folder in search.split(":") if folder]
    problem = "it is not in the image"
    for candidate in candidates:
        walk = image.walk(candidate)
        if walk.error is not None or walk.stat is None:
            continue
        if walk.stat.kind == "file" and walk.stat.mode & 0o111:
            return
        problem = f"{text(candidate)} is not an executable file there"
    places = "" if b"/" in name else f" (looked in {search})"
    yield MinimgError(
        "MINIMG-E014",
        request.address,
        f"{what} starts with {command[0]!r}: {problem}{places}",
        remedy,
    )


def _workdir(request: Request) -> bytes:
    return request.workdir.encode()


def user(request: Request, image: Sysroot) -> Iterator[MinimgError]:
    """A user or group given by name must be in the image's /etc/passwd or /etc/group."""
    name, _, group = request.user.partition(":")
    for label, value, database in (
        ("user", name, b"/etc/passwd"),
        ("group", group, b"/etc/group"),
    ):
        if not value or value.isdigit() or value in _names(image, database):
            continue
        yield MinimgError(
            "MINIMG-E015",
            request.address,
            f"the {label} {value!r} is not in the image's {text(database)}",
            'Put such a file in with `files`, or use a number, as in `user="65532:65532"`.',
        )


def _names(image: Sysroot, database: bytes) -> set[str]:
    walk = image.walk(database)
    if walk.error is not None or walk.stat is None or walk.stat.kind != "file":
        return set()
    with image.open(walk.real) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    return {line.partition(":")[0] for line in lines if line and not line.startswith("#")}
