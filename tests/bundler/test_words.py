"""Words that are read without argparse mean what they mean with it."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys

import pytest

from pants_plugin_minimg.bundler import __main__ as program
from pants_plugin_minimg.bundler.commands import plainwords, words

NAMES = sorted(program._COMMANDS)
#: Commands with arguments that are not plain, so that no line of theirs is.
NEVER = ("blobs", "diff", "verify")
#: Of no meaning, or of one that is not plain, to one command or to all.
ODD = ["", "-", "--", "-1", "-h", "--help", "a", "b c", "=", "--=", "--o=1", "a=b"]


def both(name: str, line: list[str]) -> bool:
    """Whether the words are plain; then argparse says the same of them."""
    module = program._COMMANDS[name]
    plain = plainwords.read(module, [name, *line])
    if plain is None:
        return False
    expected = words.parser(None, [module]).parse_args([name, *line])
    assert vars(plain) == vars(expected), line
    return True


@pytest.mark.parametrize("name", NAMES)
def test_plain_words_mean_what_argparse_says(name: str) -> None:
    commands = plainwords._Commands()
    module = program._COMMANDS[name]
    __import__(f"pants_plugin_minimg.bundler.commands.{module}", fromlist=[""]).add_parser(commands)
    arguments = commands.named[name].arguments
    options = [option for option in arguments if option[0] == "-"]
    required = [option for option in options if arguments[option].get("required")]
    pool = [*ODD, *options, *(f"{option[:-1]}=1" for option in options)]
    pool += [f"{option}={value}" for option in options for value in ("", "1", "x", "-y")]
    whole: list[str] = []
    for option in required:
        whole += [option, "1"] if arguments[option].get("nargs") else [f"{option}=1"]
    chance = random.Random(name)
    lines = [list(line) for count in range(2) for line in itertools.product(pool, repeat=count)]
    lines += [[option, option, "1"] for option in options]
    lines += [chance.choices(pool, k=chance.randrange(2, 5)) for _ in range(200)]
    read = sum(both(name, [*start, *line]) for start in ([], whole) for line in lines)
    assert (read > 3) == (name not in NEVER)


@pytest.mark.parametrize(
    "line",
    [
        "closure --json --root=/r /bin/a /bin/b",
        "plan --request=request.json --out=out --sweep=sweep.json",
        "layer --projection=1.json --blobs=blobs --packed=packed --mtime=0 --out=out",
        "image --request=image.json --layer 1.json 2.json --plan=plan.json --created=0 --out=out",
        "rootfs --in=a.tar --limit=1 --out=out",
    ],
)
def test_the_words_of_the_rules_are_read_without_argparse(line: str) -> None:
    read = "from pants_plugin_minimg.bundler.__main__ import options_of; options_of(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{read}\nprint(*sys.modules)", *line.split()],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "argparse" not in done.stdout.split()
