"""`trial`: runs an image's own process in its own tree, and compares."""

from __future__ import annotations

import argparse
import os

_PASSED, _FAILED, _UNUSABLE = 0, 1, 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "trial",
        help="run an image's process in its tree, and compare with what is expected",
        description="Exit status: 0 as expected, 1 not, 2 bad input, 3 nothing to run it with.",
    )
    parser.add_argument("--image", required=True, help="a tar of ours")
    parser.add_argument("--cases", required=True, help="cases.json")
    parser.add_argument("--bubblewrap", action="append", default=[], help="a path of `bwrap`")
    parser.add_argument("--engine", action="append", default=[], help="a path of docker or podman")
    parser.add_argument(
        "--emulator",
        nargs=2,
        action="append",
        default=[],
        metavar=("ARCHITECTURE", "PATH"),
        help="a static program that runs those of another architecture",
    )
    parser.add_argument("--strace", help="a path of `strace`, for cases with `trace`")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pants_plugin_minimg.bundler.isolation import tracing
    from pants_plugin_minimg.bundler.isolation.choice import isolated
    from pants_plugin_minimg.bundler.isolation.command import Unusable
    from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
    from pants_plugin_minimg.bundler.trials import trial

    cases = trial.load(options.cases)
    failed = False
    with trial.scratch() as scratch:
        process, root = trial.unpack(options.image, scratch)
        try:
            emulator = trial.emulator(process.architecture, dict(options.emulator))
            trial.mount_points(cases, root, emulator)
            cases = trial.with_copied_mounts(cases, scratch)
            tree = DirSysroot(os.fsencode(root))
            files = list(tracing.files(tree)) if any(case.trace for case in cases) else []
            seen = []
            with isolated(
                root,
                options.bubblewrap,
                options.engine,
                process.uid,
                process.gid,
                options.strace,
            ) as means:
                for case in cases:
                    trace = os.path.join(scratch, "trace") if case.trace else None
                    wrong = trial.run(case, process, means, emulator, trace)
                    failed = failed or bool(wrong)
                    print(f"{case.name}: {'FAILED' if wrong else 'passed'} ({means.name})")
                    print("".join(f"  {line}{os.linesep}" for line in wrong), end="")
                    if trace is not None:
                        seen.append(tracing.load(trace, process.cwd))
            for line in tracing.lines(seen, tree, files) if seen else ():
                print(line)
        except Unusable as reason:
            print(reason)
            return _UNUSABLE
    return _FAILED if failed else _PASSED
