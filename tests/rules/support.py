"""What tests with Pants' own RuleRunner share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from pants.core.goals import package as core_package
from pants.engine.goal import Goal
from pants.testutil.rule_runner import RuleRunner
from pants.version import PANTS_SEMVER

from pants_plugin_minimg import register

#: What Pants itself needs: interpreters, and how ./pants gave it the pex that it runs.
INHERITED = {
    "HOME",
    "PATH",
    "PYENV_ROOT",
    "PANTS_PEX_CLI_VERSION",
    "PANTS_PEX_CLI_URL_TEMPLATE",
    "PANTS_PEX_CLI_KNOWN_VERSIONS",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
}

needs_no_remote_machine = pytest.mark.skipif(
    PANTS_SEMVER.release >= (2, 29), reason="this Pants asks a remote machine for its search path"
)


def plugin_rules() -> list[Any]:
    """The plugin's rules, and those of Pants' own `package`, by which its goals build images."""
    return [*core_package.rules(), *register.rules()]


def set_options(rule_runner: RuleRunner, args: Iterable[str] = ()) -> None:
    rule_runner.set_options(list(args), env_inherit=INHERITED)


def help_examples(text: str) -> Iterator[str]:
    """What a help text shows as a BUILD file: blocks, indented by four, that begin with a call."""
    for block in re.findall(r"(?:^ {4}.*\n?|^\n)+", text, flags=re.MULTILINE):
        code = "\n".join(line[4:] for line in block.splitlines()).strip()
        if re.match(r"[a-z_]+\(", code):
            yield code


def load_build_file(code: str, names: Mapping[str, object]) -> None:
    """Runs `code` as a BUILD file in which only `names` are known."""
    exec(compile(code, "BUILD", "exec"), {"__builtins__": {}, **names})


def run_goal(
    rule_runner: RuleRunner, goal: type[Goal], global_args: Iterable[str], args: Iterable[str]
) -> int:
    """The exit code of a goal, with what Pants needs of the environment."""
    result = rule_runner.run_goal_rule(
        goal, global_args=global_args, args=args, env_inherit=INHERITED
    )
    return result.exit_code
