"""This machine as a sysroot: whether it can be one, and the state that it is in."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pants.engine.environment import ChosenLocalEnvironmentName
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.platform import Platform
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import collect_rules, rule
from pants.option.global_options import GlobalOptions

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import Bundler, process, run_all
from pants_plugin_minimg.subsystems.interpreter import Interpreter, interpreter
from pants_plugin_minimg.subsystems.minimg import MinimgSubsystem

_LOCAL = "local_environment"
_SWEEP, _LISTS = "sweep.json", "lists.index"
#: The folder of the lists of files of packages, wherever links lead to it.
_PACKAGES = "/dpkg/info"


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


@dataclass(frozen=True)
class HostRequest:
    """`scope`: of processes whose output tells of this machine."""

    bundler: Bundler
    scope: ProcessCacheScope


@dataclass(frozen=True)
class HostState:
    """What a plan is told of this machine.

    `digest` holds sweep.json, the state of its folders of programs and libraries, and `lists`,
    an index of what its packages list; None without packages of Debian's kind.
    """

    digest: Digest
    lists: str | None


@rule
async def find_host_state(request: HostRequest) -> HostState:
    """Once for all images."""
    looked = await engine.look(engine.Look())
    (sweep,) = await engine.create_digests(
        [CreateDigest([FileContent(_SWEEP, looked.state.encode())])]
    )
    if not any(folder.endswith(_PACKAGES) for folder in json.loads(looked.state)["folders"]):
        return HostState(sweep, None)
    index = process(
        request.bundler,
        ("list-index", f"--sweep={_SWEEP}", f"--out={_LISTS}"),
        description="Index what the packages of this machine list",
        inputs=sweep,
        output_files=(_LISTS,),
        scope=request.scope,
    )
    return HostState(await engine.merge_all((sweep, *await run_all([index]))), _LISTS)


_found_state = engine.caller(find_host_state)


async def state(bundler: Bundler, scope: ProcessCacheScope) -> HostState:
    """As it is in this session. Raises BundlerError."""
    return await _found_state(HostRequest(bundler, scope))


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
