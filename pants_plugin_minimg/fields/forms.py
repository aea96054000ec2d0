"""The forms that field values must have: what the BUILD text alone decides.

Every function yields `(problem, remedy)` pairs, none for a value that is fine. Nothing here knows
of Pants, so that each rule is one line of a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pants_plugin_minimg.bundler import sizes
from pants_plugin_minimg.bundler.architectures import PLATFORMS
from pants_plugin_minimg.bundler.durations import nanoseconds

Complaint = tuple[str, str]

_DATE_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}"
    r"(?:\.[0-9]+)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: docker/distribution, reference/regexp.go: path components and tags.
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
#: The same, reference/regexp.go: the domain, with its port.
_HOST_PART = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?\Z")
#: The same, reference/reference.go: NameTotalLengthMax, of registry and repository together.
_NAME_LIMIT = 255
#: The same, reference/normalize.go: docker takes such a name for the ID of an image.
_IDENTIFIER = re.compile(r"[a-f0-9]{64}\Z")
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]*\$?"
_USER = re.compile(rf"(?:[0-9]+|{_NAME})(?::(?:[0-9]+|{_NAME}))?\Z")
_OWNER = re.compile(r"[0-9]+(?::[0-9]+)?\Z")
_MODE = re.compile(r"0?[0-7]{3}\Z")
_STICKY_MODE = re.compile(r"[01]?[0-7]{3}\Z")
_PORT = re.compile(r"([0-9]+)(?:/(tcp|udp|sctp))?\Z")
_SIGNAL = re.compile(r"(?:SIG[A-Z][A-Z0-9]*(?:[+-][0-9]+)?|[0-9]+)\Z")
#: The kernel's (uid_t)-1 stands for "unchanged".
_ID_LIMIT = 2**32 - 2

#: What a placeholder may say in an option, in a field, and in the repository of a registry.
OF_THE_TARGET = ("name", "directory", "parent_directory", "full_directory")
INTERPOLATIONS = (*OF_THE_TARGET, "default_repository")
OF_A_REGISTRY = (*INTERPOLATIONS, "target_repository")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: `{env.NAME}`: the variable NAME of the environment that Pants runs in.
VARIABLE = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)\Z")
_VARIABLE_IN = re.compile(r"\{env\.[A-Za-z_]")
#: The predefined keys of OCI image-spec 1.1, annotations.md.
_OCI_ANNOTATIONS = frozenset(
    f"org.opencontainers.image.{key}"
    for key in (
        *("created", "authors", "url", "documentation", "source", "version", "revision", "vendor"),
        *("licenses", "ref.name", "title", "description", "base.digest", "base.name"),
    )
)
#: As in `docker_image`: stands in `registries` for those that are configured as default.
ALL_DEFAULT_REGISTRIES = "<all default registries>"


def path(value: str, what: str = "the path") -> Iterator[Complaint]:
    """An absolute path of one file or folder in the image."""
    remedy = "Write it from the root of the image, as in `/usr/bin/git`."
    if not value.startswith("/"):
        yield f"{what} {value!r} is not absolute", remedy
    elif value.strip("/") == "":
        yield f"{what} {value!r} is the root itself", remedy
    elif value.endswith("/"):
        yield f"{what} {value!r} ends in a slash", "Name the file or folder itself."
    yield from _clean(value, what)


def folder(value: str, what: str = "the folder") -> Iterator[Complaint]:
    """An absolute folder; the root too."""
    if not value.startswith("/"):
        yield f"{what} {value!r} is not absolute", f"Write it from the root, as in `/{value}`."
    yield from _clean(value, what)


def glob(value: str) -> Iterator[Complaint]:
    if not value.startswith("/"):
        yield (
            f"the glob {value!r} is not absolute",
            "Globs match whole paths of the sysroot, as in `/usr/share/git-core/**`.",
        )
    yield from _clean(value, "the glob")


def _clean(value: str, what: str) -> Iterator[Complaint]:
    if {"..", "."} & set(value.split("/")):
        yield f"{what} {value!r} holds `.` or `..`", "Write it out."
    if _CONTROL.search(value):
        yield f"{what} {value!r} holds a control character", "Take it out."


def library(value: str) -> Iterator[Complaint]:
    if not value.strip() or _CONTROL.search(value):
        yield f"{value!r} is no name of a library", "Write it as in `libnss_dns.so.2`."


def mode(value: str | None, what: str, sticky: bool = False) -> Iterator[Complaint]:
    if value is not None and not (_STICKY_MODE if sticky else _MODE).match(value):
        example = '"0755", or "1777" for a folder like /tmp' if sticky else '"0644"'
        yield f"{what} has the mode {value!r}", f"Write three octal digits, as in {example}."


def owner(value: str | None, what: str) -> Iterator[Complaint]:
    if value is None:
        return
    if not _OWNER.match(value):
        yield f"{what} has the owner {value!r}", 'Write numbers, as in "65532:65532".'
    yield from _ids(value, what)


def user(value: str) -> Iterator[Complaint]:
    if not _USER.match(value):
        yield (
            f"{value!r} is neither `uid[:gid]` nor `name[:group]`",
            'Write it as in "65532:65532", or as a name that the image\'s /etc/passwd has.',
        )
    yield from _ids(value, "it")


def _ids(value: str, what: str) -> Iterator[Complaint]:
    for part in value.split(":"):
        if part.isascii() and part.isdigit() and int(part) > _ID_LIMIT:
            yield f"{what} has the id {part}", f"The largest id is {_ID_LIMIT}."


def directory(at: str, spec: str) -> Iterator[Complaint]:
    """`"MODE"` or `"MODE UID:GID"`, for the folder `at`."""
    yield from path(at)
    mode_text, _, owner_text = spec.partition(" ")
    yield from mode(mode_text, f"{at!r}", sticky=True)
    yield from owner(owner_text.strip() or None, f"{at!r}")


def port(value: str) -> Iterator[Complaint]:
    match = _PORT.match(value)
    if match is None or not 1 <= int(match.group(1)) <= 65535:
        yield f"{value!r} is no port", 'Write a number from 1 to 65535, as in "8080" or "53/udp".'


def stop_signal(value: str) -> Iterator[Complaint]:
    if not _SIGNAL.match(value) or (value[:1] != "S" and not 1 <= int(value) <= 64):
        yield f"{value!r} is no signal", 'Write its name or number, as in "SIGTERM" or "15".'


def variable(name: str, value: str) -> Iterator[Complaint]:
    if not name or "=" in name or re.search(r"\s", name) or _CONTROL.search(name):
        yield f"{name!r} is no name of an environment variable", 'Write it as in "LANG".'
    if "\0" in value:
        yield f"the value of {name!r} holds a NUL", "Take it out."


def label(name: str) -> Iterator[Complaint]:
    if not name.strip() or _CONTROL.search(name):
        yield f"{name!r} is no name of a label", 'Write it as in "org.example.team".'


def annotation(name: str, value: str) -> Iterator[Complaint]:
    """OCI image-spec 1.1, annotations.md."""
    if not name.strip() or _CONTROL.search(name):
        yield f"{name!r} is no name of an annotation", 'Write it as in "org.example.team".'
    known = name in _OCI_ANNOTATIONS or not name.startswith("org.opencontainers.")
    if not known:
        yield (
            f"OCI has no annotation {name}, and reserves such names",
            (f"Those that it has: {', '.join(sorted(_OCI_ANNOTATIONS))}."),
        )
    dated = name == "org.opencontainers.image.created" and not _VARIABLE_IN.search(value)
    if dated and not _DATE_TIME.fullmatch(value):
        yield f"{name} is {value!r}", 'Write a date as RFC 3339 has it: "2026-01-31T12:00:00Z".'


def size(value: str) -> Iterator[Complaint]:
    try:
        sizes.parse(value)
    except ValueError as error:
        yield str(error), 'Write it as in "20MB" or "15MiB".'


def duration(value: str, what: str) -> Iterator[Complaint]:
    try:
        nanoseconds(value)
    except ValueError as error:
        yield f"{what}: {error}", 'Write it as in "30s", "1m30s" or "500ms".'


def arguments(values: Iterable[str], remedy: str) -> Iterator[Complaint]:
    values = tuple(values)
    if not values or not values[0]:
        yield "names no program", remedy
    for value in values:
        if "\0" in value:
            yield f"{value!r} holds a NUL", "Take it out."


def template(value: str, placeholders: Iterable[str] = INTERPOLATIONS) -> Iterator[Complaint]:
    """The placeholders of a repository or a tag; what they stand for is checked once known."""
    for name in PLACEHOLDER.findall(value):
        if name not in placeholders and not VARIABLE.match(name):
            known = ", ".join(f"{{{known}}}" for known in placeholders)
            yield f"{value!r} has the placeholder {{{name}}}", f"There are {known}, {{env.NAME}}."
    if re.search(r"[{}]", PLACEHOLDER.sub("", value)):
        yield f"{value!r} has a brace on its own", "Placeholders are written `{name}`."
    if not PLACEHOLDER.search(value) and not value.strip():
        yield f"{value!r} is empty", "Leave it out for its default."


def tag(value: str) -> Iterator[Complaint]:
    if not _TAG.match(value):
        yield (
            f"{value!r} is no tag",
            "Up to 128 letters, digits, `_`, `.` and `-`, the first one a letter, digit or `_`.",
        )


def tag_template(value: str) -> Iterator[Complaint]:
    """A tag that may have placeholders."""
    return template(value) if "{" in value else tag(value)


def registry(value: str) -> Iterator[Complaint]:
    """An address: a host, its port if need be, and maybe the first components of a repository."""
    host, slash, path = value.partition("/")
    if not _HOST.match(host):
        yield (
            f"{value!r} is no address of a registry",
            "Write its host and port, as in `registry.example.org:5000`.",
        )
    elif slash:
        yield from _components(path, value, "address of a registry")


def registry_choice(value: str) -> Iterator[Complaint]:
    """A value of `registries`: an address, or `@` and the name of a configured one."""
    if value == "@":
        yield "'@' names no registry", "Write the name that it is configured by, as in `@main`."
    elif value[:1] != "@" and value != ALL_DEFAULT_REGISTRIES:
        yield from registry(value)


def repository(value: str, address: str | None = None) -> Iterator[Complaint]:
    """A repository: lower-case components, joined by slashes; `address` is its registry's."""
    whole = value if address is None else f"{address}/{value}"
    bad = list(_components(value, value, "repository"))
    if bad:
        yield from bad
    elif len(whole) > _NAME_LIMIT:
        yield f"{whole!r} is longer than {_NAME_LIMIT} characters", "Shorten it."
    elif address is None and _IDENTIFIER.match(value):
        yield f"{value!r} looks like the ID of an image", "Choose another name."


def _components(path: str, value: str, what: str) -> Iterator[Complaint]:
    bad = [part for part in path.split("/") if not _COMPONENT.match(part)]
    if bad:
        yield (
            f"{value!r} is no {what}, because of {bad[0]!r}",
            "Components are lower-case letters and digits, joined by `.`, `_`, `__` or `-`.",
        )


def architecture(value: str) -> Iterator[Complaint]:
    """Debian's name of one that a platform of images names."""
    if value not in PLATFORMS:
        yield f"{value!r} is none that an image can be of", f"Take one of {', '.join(PLATFORMS)}."
