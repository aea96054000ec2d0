"""What tests with Pants' own RuleRunner share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register

#: What Pants itself needs: interpreters, and how ./pants gave it the pex that it runs.
_INHERITED = {
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


def plugin_rules() -> list[Any]:
    return list(register.rules())


def set_options(rule_runner: RuleRunner, args: Iterable[str] = ()) -> None:
    rule_runner.set_options(list(args), env_inherit=_INHERITED)
