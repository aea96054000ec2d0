"""Which means of isolation works here: found by running something, not by a program's presence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pants_plugin_minimg.bundler.isolation import bubblewrap, container
from pants_plugin_minimg.bundler.isolation.command import Isolation, Unusable


@contextmanager
def isolated(
    root: str,
    bubblewraps: Sequence[str],
    engines: Sequence[str],
    uid: int,
    gid: int,
    strace: str | None = None,
) -> Iterator[Isolation]:
    """The first that works for commands of a user: each path of bubblewrap, each of an engine.

    `root` is a folder with the tree; `strace` is what traces, in bubblewrap. Raises Unusable with
    every reason.
    """
    reasons = []
    for program in bubblewraps:
        try:
            bubblewrap.check(program, (uid, gid) if os.getuid() == 0 else None)
        except Unusable as reason:
            reasons.append(str(reason))
            continue
        yield bubblewrap.Bubblewrap(program, root, strace)
        return
    for program in engines:
        try:
            container.check(program)
        except Unusable as reason:
            reasons.append(str(reason))
            continue
        with container.Container(program, root) as found:
            yield found
        return
    raise Unusable("; ".join(reasons) or "there is neither bubblewrap, docker nor podman")
