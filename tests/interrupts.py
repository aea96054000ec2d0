"""Children that a Ctrl-C reaches."""

from __future__ import annotations

import signal


def heard() -> None:
    """As `preexec_fn`: what a shell starts in the background ignores the interrupt, and so do its
    children, until one says otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
