"""Packed programs, run beside the plain ones; a report that is no input of any other step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pants.engine.fs import CreateDigest, FileContent, FileEntry

from pants_plugin_minimg import engine
from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.subsystems.bundler import Bundler, succeeded
from pants_plugin_minimg.util_rules import isolation
from pants_plugin_minimg.util_rules.closure import Planned, read_json
from pants_plugin_minimg.util_rules.compress import Packed
from pants_plugin_minimg.util_rules.image import Image

_REPORT = "trial.json"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Check:
    """How programs are run for the image at `address`. No `arguments`: they are not.

    `user` is as the field has it; one by name is taken for the default, since only the status and
    the output count.
    """

    address: str
    arguments: tuple[str, ...] | None
    user: str
    env: Mapping[str, str]

    def options(self) -> tuple[str, ...]:
        numbers = self.user.replace(":", "").isdigit()
        return (
            f"--user={self.user if numbers else '65532:65532'}",
            *(f"--argument={word}" for word in self.arguments or ()),
            *(f"--env={name}={value}" for name, value in {"PATH": _PATH, **self.env}.items()),
        )


@dataclass(frozen=True)
class Trial:
    """What the info JSON has of it: None where nothing was packed."""

    report: Mapping[str, Any] | None


NOTHING_TRIED = Trial(None)


async def trial(
    bundler: Bundler,
    planned: Planned,
    packed: Packed,
    check: Check,
    search_path: engine.StandardSearchPath,
) -> Trial:
    """Raises BundlerError MINIMG-E042 for a program that does another thing when it is packed."""
    reports = await read_json(list(packed.reports.values()))
    if not any(report["outcome"] == "packed" for report in reports):
        return NOTHING_TRIED
    if check.arguments is None:
        return Trial({"not_run": "`upx_check=False`"})
    inputs = await engine.create_digests(
        [
            CreateDigest(
                [
                    *planned.whole(),
                    *(FileEntry(f"packed/{sha}", e.file_digest) for sha, e in packed.files.items()),
                    *(
                        FileEntry(f"packed/{sha}.json", report.file_digest)
                        for sha, report in packed.reports.items()
                    ),
                ]
            )
        ]
    )
    step, result = await isolation.run(
        bundler,
        search_path,
        (
            "packtrial",
            "--plan=plan.json",
            "--blobs=blobs",
            "--packed=packed",
            f"--out={_REPORT}",
            *check.options(),
        ),
        description=f"Run the programs of {check.address} packed and plain ({len(packed.files)})",
        inputs=inputs[0],
        output_files=(_REPORT,),
    )
    if result.exit_code == isolation.UNUSABLE:
        return Trial({"not_run": result.stdout.decode("utf-8", "replace").strip()})
    digests = succeeded([step], [result], check.address)
    entries = await engine.digest_entries_all(digests)
    (written,) = [entry for entry in entries[0] if isinstance(entry, FileEntry)]
    (report,) = await read_json([written])
    return Trial({key: value for key, value in report.items() if key != "version"})


def lines(made: Trial) -> Iterator[str]:
    """What is printed of it."""
    if made.report is None:
        return
    if "not_run" in made.report:
        yield f"  packed programs were not run: {made.report['not_run']}"
        return
    for program in made.report["programs"]:
        if "not_run" in program:
            yield f"  {program['path']} was not compared: {program['not_run']}"
            continue
        yield (
            f"  {program['path']} does the same packed, and starts in {made.report['run_by']} in "
            f"{program['packed_seconds'] * 1000:.0f} ms (plain "
            f"{program['plain_seconds'] * 1000:.0f}){_memory(program)}"
        )
        yield from _doubts(program)


def _doubts(program: Mapping[str, Any]) -> Iterator[str]:
    """What makes it less than sure that the program did its work."""
    if program["status"] != 0:
        yield (
            f"  {program['path']} ends with {program['status']}, plain too, which shows little: "
            "choose other arguments in `upx_check`"
        )
    if not program["same_output"]:
        yield (
            f"  {program['path']} prints another thing each time, plain too: only its status was "
            "compared"
        )


def _memory(program: Mapping[str, Any]) -> str:
    plain, packed = program["plain_memory"], program["packed_memory"]
    if packed is None:
        return ""
    beside = "ends too soon to tell" if plain is None else shown(plain)
    return f", with {shown(packed)} of memory (plain {beside})"


async def added(made: Image, trials: Mapping[str, Trial]) -> Image:
    """The image or index with the reports in its info JSON, by its manifests' digests.

    It is written already: neither it nor an index of it has times to start in its key.
    """
    reports = {digest: each.report for digest, each in trials.items() if each.report is not None}
    if not reports:
        return made
    details = json.loads(json.dumps(made.details))
    for image in details["manifests"]:
        if image["digest"] in reports:
            image["upx"]["trial"] = reports[image["digest"]]
    content = (json.dumps(details, sort_keys=True, indent=2) + "\n").encode("ascii")
    digests = await engine.create_digests([CreateDigest([FileContent("info.json", content)])])
    entries = await engine.digest_entries_all(digests)
    (info,) = [entry for entry in entries[0] if isinstance(entry, FileEntry)]
    return replace(made, info=info, details=details)
