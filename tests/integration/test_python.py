"""PEXes as the real Pants and its PEX make them, on this machine's own Python."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests import requirements
from tests.integration.pants_runs import Repository

PYTHON = "/usr/bin/python3"
KINDS = [(layout, mode) for layout in ("zipapp", "packed", "loose") for mode in ("zipapp", "venv")]
# A distribution of its own needs no index.
WHEEL = "greeter-1.0-py3-none-any.whl"
GREETER = {
    "greeter.py": "import sys\n\n\ndef main():\n    print('greeter', sys.argv[1:])\n",
    "greeter-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
    "greeter-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "greeter-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greeter:main\n",
}
APP = """
import os
import sys

import greeter


def main():
    print(greeter.__name__, sys.argv[1:], os.environ.get("V"), os.path.dirname(__file__))
"""
BUILD = """
python_requirement(name="greeter", requirements=["greeter @ file://@WHEEL@"])
python_sources(name="lib", dependencies=[":greeter"])
pex_binary(name="script", script="greet", dependencies=[":greeter"])
minimal_docker_image(name="script_image", binary=":script")
minimal_docker_image_test(
    name="script_test",
    image=":script_image",
    args=["x"],
    expected_stdout_regex=r"^greeter \\['x'\\]$",
    read_only=True,
)
for layout, mode in @KINDS@:
    name = f"{layout}_{mode}"
    pex_binary(
        name=name,
        layout=layout,
        execution_mode=mode,
        entry_point="app.py:main",
        dependencies=[":lib"],
        args=["-v"],
        env={"V": "w"},
    )
    minimal_docker_image(name=f"{name}_image", binary=f":{name}")
    minimal_docker_image_test(
        name=f"{name}_test",
        image=f":{name}_image",
        args=["x"],
        expected_stdout_regex=r"^greeter \\['-v', 'x'\\] w /app/src$",
        read_only=True,
    )
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    requirements.program("bwrap")
    if not os.path.exists(PYTHON):
        requirements.unavailable(f"there is no {PYTHON}")
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    wheel = tmp_path / WHEEL
    record = "".join(f"{name},,\n" for name in [*GREETER, "greeter-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**GREETER, "greeter-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    repository = Repository(
        tmp_path / "repo",
        backends=("pants.backend.python",),
        options=f"""
            [python]
            interpreter_constraints = ["CPython=={version}.*"]
            [python-bootstrap]
            search_path = ["{os.path.dirname(PYTHON)}"]
            [minimg-test]
            unavailable = "fail"
            """,
    )
    repository.write("app.py", APP)
    repository.write("BUILD", BUILD.replace("@WHEEL@", str(wheel)).replace("@KINDS@", repr(KINDS)))
    return repository


def test_every_layout_and_mode_of_a_pex_and_a_script(repository: Repository) -> None:
    """PEX's own files: its zips hold entries that no other zip has."""
    done = repository.pants("test", "::", level="info").succeeded()
    for name in [*(f"{layout}_{mode}" for layout, mode in KINDS), "script"]:
        assert f"//:{name}_test succeeded" in done.stderr
