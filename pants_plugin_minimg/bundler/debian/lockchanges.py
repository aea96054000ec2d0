"""What a new lock changes, for people."""

from __future__ import annotations

from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package


def changes(old: Lock | None, new: Lock) -> list[str]:
    """One line a change, such as `git: 1:2.39.2 -> 1:2.39.5 (amd64, arm64)`, sorted."""
    before = {} if old is None else old.by_name
    sysroots: dict[tuple[str, str], list[str]] = {}
    for name, sysroot in sorted({*before, *new.by_name}):
        what = _change(before.get((name, sysroot)), new.by_name.get((name, sysroot)))
        if what:
            sysroots.setdefault((name, what), []).append(sysroot)
    return [f"{name}: {what} ({', '.join(where)})" for (name, what), where in sysroots.items()]


def _change(old: Package | None, new: Package | None) -> str | None:
    if old is None or new is None:
        if new is not None:
            return f"{new.version} added"
        return None if old is None else f"{old.version} removed"
    if old.version != new.version:
        return f"{old.version} -> {new.version}"
    if old.sha256 != new.sha256:
        return f"{new.version} with other content"
    return None
