"""This machine as a sysroot: whether it can be one, and the state that it is in."""

from __future__ import annotations

from dataclasses import dataclass

from pants.engine.environment import ChosenLocalEnvironmentName
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.platform import Platform
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, rule
from pants.option.global_options import GlobalOptions

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.interpreter import Interpreter, interpreter
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem

_LOCAL = "local_environment"


class UnusableSysroot(Exception):
    """The sysroot cannot be used where the image is built."""


@dataclass(frozen=True)
class HostAccess:
    """Whether processes of the environment see this machine's files; `obstacle` says why not.

    `local`: they run where Pants runs, be it Linux or not. `architecture`: what runs there, by
    Debian's name. `scope`: of processes whose output tells of this machine.
    `python`: the interpreter there that the sandbox program runs on.
    """

    obstacle: str | None
    local: bool = True
    architecture: str = "amd64"
    scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL
    python: Interpreter | None = None

    def check(self, address: str) -> None:
        """Raises UnusableSysroot MINIMG-E019 where the host cannot be the sysroot."""
        if self.obstacle is not None:
            raise UnusableSysroot(
                str(
                    MinimgError(
                        "MINIMG-E019",
                        address,
                        f"programs and libraries come from this machine, and {self.obstacle}",
                        "Build the image in the local environment on Linux; a `debian_sysroot` "
                        "is what makes an image independent of where it is built.",
                    )
                )
            )


def obstacle(environment: str | None, remote: bool, platform: str) -> str | None:
    """Why the host cannot be read. `environment` is the alias of the environment's target."""
    if remote:
        return "processes run on remote machines"
    if environment not in (None, _LOCAL):
        return f"the image is built in a `{environment}`"
    if not platform.startswith("linux"):
        return f"the image would hold programs of {platform.replace('_', ' ', 1)}"
    return None


async def sweep() -> Digest:
    """`sweep.json`: the state of this machine's folders of programs and libraries."""
    looked = await engine.look(engine.Look())
    (digest,) = await engine.create_digests(
        [CreateDigest([FileContent("sweep.json", looked.state.encode())])]
    )
    return digest


@rule
async def find_host_access(
    environment: engine.EnvironmentTarget,
    environments: engine.EnvironmentsSubsystem,
    global_options: GlobalOptions,
    platform: Platform,
    options: MinimgSubsystem,
    search_path: engine.StandardSearchPath,
    local_environment: ChosenLocalEnvironmentName,
) -> HostAccess:
    alias = environment.val.alias if environment.val is not None else None
    remote = environments.remote_execution_used_globally(global_options)
    local = not remote and alias in (None, _LOCAL)
    return HostAccess(
        obstacle(alias, remote, platform.value),
        local=local,
        architecture="arm64" if platform.value.endswith("arm64") else "amd64",
        scope=engine.local_scope(global_options.remote_cache_write),
        python=await interpreter(options.python, local, search_path, local_environment.val),
    )


def rules():  # type: ignore[no-untyped-def]
    return collect_rules()
