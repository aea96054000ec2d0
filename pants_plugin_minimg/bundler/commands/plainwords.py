"""Which words mean what they seem to? Reading them needs no argparse, whose import and parsers
every process of a build would pay for."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How arguments take words, by their `nargs` and `action`.
_ONE, _EACH, _NONE = (None, None), (None, "append"), (None, "store_true")
_ANY = (("*", None), ("+", None))


class _Command:
    """What a command tells argparse of itself."""

    def __init__(self) -> None:
        self.arguments: dict[str, dict[str, Any]] = {}
        self.defaults: dict[str, Any] = {}

    def add_argument(self, name: str, **told: Any) -> None:
        self.arguments[name] = told

    def set_defaults(self, **defaults: Any) -> None:
        self.defaults.update(defaults)


class _Commands:
    """In the place of argparse's parsers."""

    def __init__(self) -> None:
        self.named: dict[str, _Command] = {}

    def add_parser(self, name: str, **_: Any) -> _Command:
        return self.named.setdefault(name, _Command())


def read(module: str, words: Sequence[str]) -> SimpleNamespace | None:
    """The options of the command `words[0]`, which is of that module beside this one; None where
    argparse is to read the words, or to say what is wrong with them.

    Plain are `--option=value`, `--option value …` where it takes any number, `--option` where it
    takes none, and behind all of them the files of a command that takes any number.
    """
    commands = _Commands()
    # As importlib.import_module does it; the import of that is spared, too.
    __import__(f"{__package__}.{module}", fromlist=["add_parser"]).add_parser(commands)
    command = commands.named[words[0]]
    try:
        given = _given(command.arguments, words[1:])
    except ValueError:  # of `type`
        return None
    if given is None:
        return None
    out = {"command": words[0], **command.defaults}
    for name, told in command.arguments.items():
        wanted = told.get("required") or name[0] != "-"
        if (wanted and name not in given) or (told.get("nargs") == "+" and given.get(name) == []):
            return None
        default = False if told.get("action") == "store_true" else told.get("default")
        target = told.get("dest") or name.lstrip("-").replace("-", "_")
        out[target] = given.get(name, default)
    return SimpleNamespace(**out)


def _given(arguments: dict[str, dict[str, Any]], words: Sequence[str]) -> dict[str, Any] | None:
    """What the words say of each argument that is among them. Raises ValueError."""
    forms = {
        name: (told.get("nargs"), told.get("action"))
        for name, told in arguments.items()
        if "choices" not in told
    }
    files = next((name for name in forms if name[0] != "-"), "")
    out: dict[str, Any] = {}
    taking = files
    for word in words:
        if word[:1] != "-":
            if forms.get(taking) not in _ANY:
                return None
            out.setdefault(taking, []).append(word)
            continue
        name, equals, value = word.partition("=")
        form = forms.get(name)
        taking = files
        if files in out:
            return None
        if form == _ONE and equals:
            out[name] = arguments[name].get("type", str)(value)
        elif form == _EACH and equals:
            out.setdefault(name, []).append(value)
        elif form == _NONE and not equals:
            out[name] = True
        elif form in _ANY and not equals and name not in out:
            out[name], taking = [], name
        else:
            return None
    return out
