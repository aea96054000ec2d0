"""Character sets and locales that glibc reads from files: gconv's modules, and C.UTF-8.

Where they are is in the C library's own strings: iconv/gconv_conf.c (default_gconv_path) and
locale/findlocale.c (_nl_default_locale_path). C.UTF-8 is part of glibc since 2.35, as a locale that
is installed like others (NEWS): without its folder setlocale(3) fails in any version. musl has all
of this within.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader import Closure
from pants_plugin_minimg.bundler.preset_names import C_UTF8, GCONV
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from pants_plugin_minimg.bundler.text import text

_MAX_LIBC = 1 << 24
_GCONV_END, _LOCALE_END = b"/gconv-modules.cache", b"/locale-archive"
#: Where Debian and the GNU defaults have locales, for a C library that does not tell.
_LOCALES = b"/usr/lib/locale"
_BUILT_IN = ("", "C", "POSIX")


class Found:
    """`folders` are to be put in with all that is in them: (path, reason)."""

    def __init__(self) -> None:
        self.folders: list[tuple[bytes, str]] = []
        self.problems: list[MinimgError] = []
        self.log: list[str] = []


def find(
    presets: Sequence[str],
    env: Mapping[str, str],
    closures: Iterable[Closure],
    sysroot: Sysroot,
    is_there: Callable[[bytes], bool],
) -> Found:
    """What the presets and the image's environment ask for. `is_there` says of a canonical path
    whether the image has it already."""
    search = _Search(sysroot, is_there)
    libraries = _libraries(closures)
    wanted = [name for name in (C_UTF8, GCONV) if name in presets]
    if not libraries:
        search.found.log += [
            f"The preset {name} adds nothing: no program of the image uses glibc."
            for name in wanted
        ]
        return search.found
    for library in libraries:
        content = search.read(library)
        if GCONV in wanted:
            search.gconv(_told(content, _GCONV_END) or library.rpartition(b"/")[0] + b"/gconv")
        folder = _told(content, _LOCALE_END) or _LOCALES
        if C_UTF8 in wanted:
            search.c_utf8(folder, "C.UTF-8", "preset c-utf8", required=True)
        for variable, locale in _locales(env):
            if locale.partition(".")[0] == "C" and _codeset(locale) == "utf8":
                search.c_utf8(folder, locale, f"`env` says {variable}={locale}", required=False)
            else:
                search.hint(folder, locale, variable)
    return search.found


class _Search:
    def __init__(self, sysroot: Sysroot, is_there: Callable[[bytes], bool]) -> None:
        self.found = Found()
        self._sysroot = sysroot
        self._is_there = is_there

    def read(self, library: bytes) -> bytes:
        try:
            with self._sysroot.open(library) as file:
                return file.read(_MAX_LIBC)
        except (MinimgError, OSError):
            return b""

    def gconv(self, folder: bytes) -> None:
        if self._is_dir(folder):
            self.found.folders.append((folder, "preset gconv"))
        else:
            self._lacks(GCONV, f"the sysroot has no {text(folder)}", "libc6")

    def c_utf8(self, folder: bytes, locale: str, reason: str, *, required: bool) -> None:
        path = self._locale(folder, locale)
        if path is not None:
            self.found.folders.append((path, reason))
        elif required:
            self._lacks(C_UTF8, f"{text(folder)} of the sysroot has no C.UTF-8", "libc-bin")
        else:
            self.found.log.append(f"{reason}, and {text(folder)} of the sysroot has none.")

    def hint(self, folder: bytes, locale: str, variable: str) -> None:
        path = self._locale(folder, locale)
        archive = folder + _LOCALE_END
        if path is None and self._sysroot.walk(archive).error is None:
            path = archive
        said = f"`env` says {variable}={locale}"
        if path is None:
            self.found.log.append(f"{said}, which is not in {text(folder)} of the sysroot.")
        elif not self._is_there(self._sysroot.walk(path).real):
            more = ", the archive of all its locales" if path == archive else ""
            self.found.log.append(
                f'{said}: for that locale add `include=["{text(path)}"]`{more}; without it '
                "programs take C."
            )

    def _locale(self, folder: bytes, locale: str) -> bytes | None:
        """The folder of a locale by its name, or with glibc's own spelling of the character set."""
        language, dot, rest = locale.partition(".")
        _, at, modifier = rest.partition("@")
        spelled = f"{language}{dot}{_codeset(locale)}{at}{modifier}"
        for name in dict.fromkeys((locale, spelled)):
            if "/" not in name and self._is_dir(folder + b"/" + name.encode("utf-8")):
                return folder + b"/" + name.encode("utf-8")
        return None

    def _is_dir(self, path: bytes) -> bool:
        stat = self._sysroot.walk(path).stat
        return stat is not None and stat.kind == "dir"

    def _lacks(self, preset: str, problem: str, package: str) -> None:
        self.found.problems.append(
            MinimgError(
                "MINIMG-E030",
                preset,
                problem,
                f"Add the package that has it, in Debian {package}.",
            )
        )


def _libraries(closures: Iterable[Closure]) -> list[bytes]:
    """The canonical paths of the C libraries, glibc's alone."""
    out: dict[bytes, None] = {}
    for closure in closures:
        if closure.libc is not None and not closure.is_musl:
            out[closure.libc.walk.real] = None
    return list(out)


def _told(content: bytes, end: bytes) -> bytes | None:
    """The folder of the absolute path in a C library that ends in `end`."""
    at = content.find(end + b"\0")
    if at < 0:
        return None
    start = content.rfind(b"\0", max(0, at - 256), at) + 1
    return content[start:at] if content[start : start + 1] == b"/" else None


def _locales(env: Mapping[str, str]) -> list[tuple[str, str]]:
    """(variable, locale) that programs will ask for (locale(7)), each locale once."""
    if env.get("LC_ALL"):
        variables = ["LC_ALL"]
    else:
        variables = sorted(name for name in env if name.startswith("LC_") and name != "LC_ALL")
        variables += ["LANG"]
    found = {env[name]: name for name in reversed(variables) if name in env}
    return [(name, value) for value, name in found.items() if value not in _BUILT_IN]


def _codeset(locale: str) -> str:
    """As glibc compares it (intl/l10nflist.c, _nl_normalize_codeset)."""
    codeset = locale.partition(".")[2].partition("@")[0]
    kept = "".join(letter for letter in codeset.lower() if letter.isascii() and letter.isalnum())
    return f"iso{kept}" if kept.isdigit() else kept
