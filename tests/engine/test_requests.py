"""Requests to the engine are found again by their hash, and no request is another's."""

from __future__ import annotations

from pants.engine.fs import CreateDigest, FileContent

from pants_plugin_minimg import engine  # noqa: F401  (what is tested comes with it)


def test_different_requests_do_not_share_one_hash() -> None:
    requests = [CreateDigest([FileContent("path", b"%d" % number)]) for number in range(100)]
    assert len({hash(request) for request in requests}) > 90
    again = CreateDigest([FileContent("path", b"7")])
    assert again == requests[7] and hash(again) == hash(requests[7])
