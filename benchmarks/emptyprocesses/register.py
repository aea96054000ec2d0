"""A target is some processes of the sandbox tool that print their help, and no product."""

from __future__ import annotations

from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage, PackageFieldSet
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.rules import collect_rules, rule
from pants.engine.target import COMMON_TARGET_FIELDS, IntField, Target
from pants.engine.unions import UnionRule

from pants_plugin_minimg.subsystems.bundler import process, run_all, set_up_bundler
from pants_plugin_minimg.util_rules.host import HostAccess


class ProcessesField(IntField):
    alias = "processes"
    required = True
    help = "How many."


class EmptyProcessesTarget(Target):
    alias = "empty_processes"
    core_fields = (*COMMON_TARGET_FIELDS, ProcessesField)
    help = "Processes of the sandbox tool that do nothing."


@dataclass(frozen=True)
class EmptyProcessesFieldSet(PackageFieldSet):
    required_fields = (ProcessesField,)

    processes: ProcessesField


@rule
async def run_empty_processes(
    field_set: EmptyProcessesFieldSet, access: HostAccess
) -> BuiltPackage:
    bundler = await set_up_bundler(access.python)
    processes = [
        process(
            bundler,
            ("layer", "--help"),
            description=f"Do nothing for {field_set.address} ({number})",
            inputs=EMPTY_DIGEST,
            # Its own key, or the engine would run but one.
            surroundings={"MINIMG_NUMBER": f"{field_set.address} {number}"},
        )
        for number in range(field_set.processes.value or 0)
    ]
    await run_all(processes)
    return BuiltPackage(EMPTY_DIGEST, ())


def target_types():  # type: ignore[no-untyped-def]
    return [EmptyProcessesTarget]


def rules():  # type: ignore[no-untyped-def]
    return [*collect_rules(), UnionRule(PackageFieldSet, EmptyProcessesFieldSet)]
