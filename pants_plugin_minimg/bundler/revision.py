"""Runs a command in a checkout of another revision: of a work tree of git, which it leaves alone.

The checkout is a worktree of its own (git-worktree(1)), and goes with the command, however that
ends. A clone would not do: of a shallow one it would lack what another branch reaches.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from pants_plugin_minimg.bundler.errors import MinimgError

#: In seconds: for a command that was told to stop, before it is killed.
_PATIENCE = 20


@dataclass(frozen=True)
class Checkout:
    """A worktree in `folder`. `place` is where the repository's `path` is in it, and `known` what
    git has of it."""

    folder: str
    place: str
    known: str

    def forget(self) -> None:
        """For git there is no such worktree any more, even while its files are in use. At once:
        who is told to stop may have a second or two."""
        shutil.rmtree(self.known, ignore_errors=True)
        try:
            os.rmdir(os.path.dirname(self.known))
        except OSError:
            pass  # there are others


class Repository:
    """The work tree of git that the folder `path` lies in. `variables` are for git and the command.

    Raises MinimgError MINIMG-E046 where there is none, or no git.
    """

    def __init__(self, path: str, variables: Mapping[str, str]) -> None:
        self._path, self.variables = path, dict(variables)
        # In a hook of git they name the repository and the index of that.
        for name in self._git("rev-parse", "--local-env-vars").split():
            self.variables.pop(name, None)
        self._top = self._git("rev-parse", "--show-toplevel")
        self._below = self._git("rev-parse", "--show-prefix")

    def commit(self, revision: str) -> str:
        """Raises MinimgError MINIMG-E046."""
        try:
            return self._git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        except MinimgError as error:
            raise MinimgError(
                "MINIMG-E046",
                revision,
                f"it is no revision of {self._top}: {error.problem}",
                "A shallow clone has only some: `git fetch` it.",
            ) from None

    @contextmanager
    def checked_out(self, commit: str, folder: str) -> Iterator[Checkout]:
        """A checkout in `folder`, which must not be there. Raises MinimgError MINIMG-E046."""
        made = os.path.abspath(folder)
        # No hook of the user: it is for the user's own checkouts.
        self._git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach",
                  made, commit)  # fmt: skip
        checkout = Checkout(made, os.path.join(made, self._below), self._git_folder(made))
        try:
            if not os.path.isdir(checkout.place):
                raise MinimgError("MINIMG-E046", commit, f"it has no folder {self._below}")
            yield checkout
        finally:
            checkout.forget()
            shutil.rmtree(made, ignore_errors=True)

    def _git_folder(self, worktree: str) -> str:
        """Where git keeps what it knows of a worktree (gitrepository-layout(5))."""
        return self._git("-C", worktree, "rev-parse", "--absolute-git-dir")

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", self._path, *arguments],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise MinimgError(
                "MINIMG-E046", "git", f"it cannot be run: {error.strerror}", "Install it."
            ) from None
        if done.returncode:
            said = " ".join(done.stderr.decode("utf-8", "backslashreplace").split())
            raise MinimgError("MINIMG-E046", self._path, said.rstrip(".") or "git refuses it")
        return os.fsdecode(done.stdout).rstrip("\n")


class Stop:
    """An interrupt and SIGTERM: they raise KeyboardInterrupt in `wait`, and are kept in mind until
    then. Between two steps they would leave what the first has made."""

    def __init__(self) -> None:
        self.told = self._raises = False

    def __call__(self, *_: object) -> None:
        self.told = True
        if self._raises:
            raise KeyboardInterrupt

    @contextmanager
    def listened_to(self) -> Iterator[None]:
        before = {each: signal.signal(each, self) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """The exit status. Raises KeyboardInterrupt."""
        try:
            self._raises = True
            if self.told:
                raise KeyboardInterrupt
            return process.wait()
        finally:
            self._raises = False


def run(
    command: Sequence[str],
    checkout: Checkout,
    variables: Mapping[str, str],
    out: IO[Any],
    stop: Stop,
) -> int:
    """The exit status. `stop` reaches the command before it is raised here.

    Raises OSError, KeyboardInterrupt.
    """
    process = subprocess.Popen(
        command, cwd=checkout.place, env=dict(variables), stdin=subprocess.DEVNULL, stdout=out
    )
    try:
        return stop.wait(process)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        checkout.forget()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
