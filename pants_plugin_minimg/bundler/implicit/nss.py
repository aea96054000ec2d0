"""Name services of glibc: which modules its functions open (nsswitch.conf(5), nss/ of glibc)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CONFIGURATION = b"/etc/nsswitch.conf"

#: Services that are in libc.so.6 itself, since this version (glibc 2.34, NEWS).
_BUILT_IN, _BUILT_IN_SINCE = (b"files", b"dns"), (2, 34)


def _functions(database: str, *names: str) -> dict[bytes, tuple[str, ...]]:
    return {name.encode(): (database,) for name in names}


#: Function -> the databases that it asks: the public headers of glibc that name it (netdb.h, pwd.h,
#: grp.h, shadow.h, gshadow.h, netinet/ether.h, aliases.h, rpc/netdb.h), and nss/databases.def.
_PLAIN: dict[bytes, tuple[str, ...]] = {
    **_functions("passwd", "getpwnam", "getpwuid", "getpwent", "getlogin", "cuserid", "wordexp"),
    **_functions("group", "getgrnam", "getgrgid", "getgrent"),
    **_functions("shadow", "getspnam", "getspent"),
    **_functions("gshadow", "getsgnam", "getsgent"),
    **_functions("hosts", "gethostbyname", "gethostbyname2", "gethostbyaddr", "gethostent"),
    **_functions("networks", "getnetbyname", "getnetbyaddr", "getnetent"),
    **_functions("services", "getservbyname", "getservbyport", "getservent"),
    **_functions("protocols", "getprotobyname", "getprotobynumber", "getprotoent"),
    **_functions("rpc", "getrpcbyname", "getrpcbynumber", "getrpcent"),
    **_functions("netgroup", "getnetgrent"),
    **_functions("aliases", "getaliasbyname", "getaliasent"),
}
_OTHERS: dict[bytes, tuple[str, ...]] = {
    **_functions("ethers", "ether_ntohost", "ether_hostton"),
    **_functions("netgroup", "innetgr", "setnetgrent"),
    **_functions("publickey", "getpublickey", "getsecretkey"),
    b"initgroups": ("initgroups", "group"),
    b"getgrouplist": ("initgroups", "group"),
    b"getaddrinfo": ("hosts", "services"),
    b"getaddrinfo_a": ("hosts", "services"),
    b"getnameinfo": ("hosts", "services"),
    b"gethostid": ("hosts",),
    b"rcmd": ("hosts", "services"),
    b"rcmd_af": ("hosts", "services"),
    b"ruserok": ("hosts", "passwd", "netgroup"),
    b"ruserok_af": ("hosts", "passwd", "netgroup"),
}
FUNCTIONS: Mapping[bytes, tuple[str, ...]] = {
    **_PLAIN,
    **{name + b"_r": databases for name, databases in _PLAIN.items()},
    **_OTHERS,
}
NAMES = frozenset(FUNCTIONS)

_LINE = re.compile(rb"[ \t]*([A-Za-z_]+)[ \t]*:(.*)")
_ACTION = re.compile(rb"\[[^\]]*\]?")
#: A service becomes part of a file's name.
_SERVICE = re.compile(rb"[A-Za-z0-9_.+-]{1,64}")
#: Far above what anybody configures.
_MAX_SERVICES = 64


def parse(configuration: bytes) -> dict[str, tuple[bytes, ...]]:
    """Database -> services in their order, each once (nss/nss_database.c, nss_action_parse.c).

    Of two lines for one database the last counts; what makes no sense is passed over.
    """
    out = {}
    for raw in configuration.split(b"\n"):
        match = _LINE.match(raw.partition(b"#")[0])
        if match is not None:
            words = _ACTION.sub(b" ", match.group(2)).split()
            services = [word for word in words if _SERVICE.fullmatch(word)]
            out[match.group(1).decode("ascii")] = tuple(dict.fromkeys(services))[:_MAX_SERVICES]
    return out


def services(
    database: str, configured: Mapping[str, tuple[bytes, ...]], *, is_default: bool = True
) -> tuple[bytes, ...]:
    """Who is asked for a database; without a line in the configuration what glibc itself has.

    Of glibc's own list (nss/nss_database.c) `compat` and `nis`, which versions of old try first,
    are left out: without a NIS domain they add nothing. `compat` in the configuration asks for the
    services of the database `…_compat`, too.
    """
    found = configured.get(database)
    if found is None:
        if database in ("initgroups", "publickey") or not is_default:
            return ()
        return (b"files", b"dns") if database in ("hosts", "networks") else (b"files",)
    if b"compat" in found:
        found += services(f"{database}_compat", configured, is_default=False)
    return tuple(dict.fromkeys(found))


def module(service: bytes) -> bytes:
    """The library of a service. The number is that of libnss_files on every port of Linux
    (glibc, shlib-versions)."""
    return b"libnss_%s.so.2" % service


def modules(
    databases: Iterable[str], configuration: bytes | None, version: tuple[int, int]
) -> dict[bytes, str]:
    """Library -> the first database that asks for it. `version` is the C library's.

    `configuration` is the content of nsswitch.conf, None when there is none.
    """
    configured = {} if configuration is None else parse(configuration)
    out: dict[bytes, str] = {}
    for database in databases:
        for service in services(database, configured):
            if version < _BUILT_IN_SINCE or service not in _BUILT_IN:
                out.setdefault(module(service), database)
    return out


def may_matter(configuration: bytes | None, version: tuple[int, int]) -> bool:
    """Whether any program could ask for a module: a reason to look at what programs import."""
    if configuration is None:
        return version < _BUILT_IN_SINCE
    everyone = {database for databases in FUNCTIONS.values() for database in databases}
    return bool(modules(sorted(everyone), configuration, version))
