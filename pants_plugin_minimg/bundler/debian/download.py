"""Bytes from a mirror: http, https or a file of this machine; several tries, bounded in time."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

SCHEMES = ("http", "https", "file")
_CHUNK = 1 << 18


class Unavailable(Exception):
    """Why a URL gave nothing, in a few words. `absent`: the server says that it does not exist."""

    def __init__(self, reason: str, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


@dataclass(frozen=True)
class Patience:
    """All in seconds but `tries`. `idle`: without a byte; `total`: for one file."""

    tries: int = 3
    idle: float = 30.0
    total: float = 600.0
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A server must not send us to a file of this machine or to another protocol."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            raise Unavailable(f"HTTP {code}, a redirect that is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def get(url: str, limit: int, patience: Patience) -> bytes:
    """The whole content, at most `limit` bytes of it. Raises Unavailable."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise Unavailable(f"not a URL ({error})") from None
    if parts.scheme not in SCHEMES:
        raise Unavailable("not an http, https or file URL")
    if "@" in parts.netloc:
        raise Unavailable("a URL with a user name is not supported")
    if parts.scheme == "file":
        return _file(parts.path, limit)
    opener = urllib.request.build_opener(_Redirects())
    for number in range(1, patience.tries + 1):
        try:
            return _once(opener, url, limit, patience)
        except _Passing as error:
            if number == patience.tries:
                raise Unavailable(f"{error}, {number} times") from None
            patience.sleep(patience.pause * 2 ** (number - 1))
    raise Unavailable("never asked")


class _Passing(Exception):
    """A failure that another try may not meet."""


def _file(path: str, limit: int) -> bytes:
    try:
        with open(urllib.parse.unquote(path), "rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise Unavailable("no such file", absent=True) from None
    except OSError as error:
        raise Unavailable(str(error.strerror)) from None
    if len(content) > limit:
        raise Unavailable(f"more than {limit} bytes")
    return content


def _once(opener: urllib.request.OpenerDirector, url: str, limit: int, patience: Patience) -> bytes:
    # Some mirrors refuse the default name of Python's client.
    request = urllib.request.Request(url, headers={"User-Agent": "pants-plugin-minimg"})
    try:
        with opener.open(request, timeout=patience.idle) as response:
            return _body(response, limit, patience.total)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code in (408, 429):
            raise _Passing(f"HTTP {error.code}") from None
        if 300 <= error.code < 400:
            raise Unavailable(f"HTTP {error.code}, a redirect that is not followed") from None
        raise Unavailable(f"HTTP {error.code}", absent=error.code in (404, 410)) from None
    except urllib.error.URLError as error:
        raise _Passing(_said(error.reason)) from None
    except (OSError, http.client.HTTPException, EOFError) as error:
        raise _Passing(_said(error)) from None
    except ValueError as error:  # a redirect to something that is no URL
        raise Unavailable(_said(error)) from None


def _said(error: object) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut short"
    return " ".join(str(error).split()) or type(error).__name__


def _body(response: Any, limit: int, total: float) -> bytes:
    deadline = time.monotonic() + total
    out = bytearray()
    while True:
        # read1: what has come, so that a trickle is noticed.
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        out += chunk
        if len(out) > limit:
            raise Unavailable(f"more than {limit} bytes")
        if time.monotonic() > deadline:
            raise Unavailable(f"not complete after {total:g} s")
    length = response.headers.get("Content-Length")
    if length is not None and length.isdigit() and int(length) != len(out):
        raise _Passing("the answer was cut short")
    return bytes(out)
