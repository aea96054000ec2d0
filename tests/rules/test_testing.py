"""`test` of `minimal_docker_image_test` targets, with the real sandbox program."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pants.core import register as core
from pants.core.goals.test import TestResult
from pants.core.target_types import FilesGeneratorTarget, FileTarget
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.engine.target import InvalidFieldTypeException, InvalidTargetException
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register
from pants_plugin_minimg import testing_target as tests
from pants_plugin_minimg.bundler.isolation import bubblewrap
from pants_plugin_minimg.bundler.isolation.command import Unusable
from pants_plugin_minimg.goals.testing import (
    MinimalDockerImageTestFieldSet,
    MinimalDockerImageTestRequest,
    request,
)
from pants_plugin_minimg.util_rules import isolation
from tests.bundler.elf_builder import Spec, build
from tests.requirements import program, unavailable
from tests.rules.support import help_examples, load_build_file, plugin_rules, set_options

BUILD = """\
minimal_docker_image(name="shell", executables=["/bin/sh"], entrypoint=["/bin/sh", "-c"])
minimal_docker_image_test(
    name="fine", image=":shell", args=["echo hello; id -u 2>/dev/null; exit 3"],
    expected_exit_code=3, expected_stdout_regex="^hello$",
)
minimal_docker_image_test(name="wrong", image=":shell", args=["echo goodbye"],
    expected_stdout_regex="^hello$")
minimal_docker_image_test(
    name="several", image=":shell",
    mounts={"/in": ":data", "/one": ":single", "/below/": ":single"},
    cases=[
        image_case("reads", args=["read x < /in/a.txt; echo $x"], expected_stdout_regex="^a$"),
        image_case("one", args=["read x < /one; echo $x"], expected_stdout_regex="^b$"),
        image_case("in a folder", args=["read x < /below/b.txt; echo $x"],
            expected_stdout_regex="^b$"),
        image_case("variable", args=["echo $V"], env={"V": "w"}, expected_stdout_regex="^w$"),
    ],
)
files(name="data", sources=["*.txt"])
file(name="single", source="b.txt")
file(name="foreign", source="foreign")
minimal_docker_image(name="of_s390x", binary=":foreign")
minimal_docker_image_test(name="elsewhere", image=":of_s390x")
minimal_docker_image_test(name="no_image", image=":single")
"""


class Metadata:
    """Of the partition that a test is in: there is nothing to say."""

    def __init__(self, description: str) -> None:
        self.description = description


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    made = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            QueryRule(TestResult, [MinimalDockerImageTestRequest.Batch]),
        ],
        target_types=[*register.target_types(), FileTarget, FilesGeneratorTarget],
        aliases=[register.build_file_aliases()],
    )
    set_options(made)
    made.write_files({"a/BUILD": BUILD, "a/a.txt": "a\n", "a/b.txt": "b\n"})
    spec = Spec(dynamic=False, machine=22, e_type=2, endian="big")
    made.write_files({"a/foreign": build(spec)})
    return made


@pytest.fixture
def isolated() -> None:
    path = program("bwrap")
    try:
        bubblewrap.check(path, (65532, 65532) if os.getuid() == 0 else None)
    except Unusable as reason:
        unavailable(str(reason))


def said(found: TestResult) -> str:
    """Text in Pants 2.17, bytes later."""
    text = getattr(found, "stdout", None)
    return text if text is not None else found.stdout_bytes.decode()  # type: ignore[attr-defined]


def result(rule_runner: RuleRunner, name: str, *options: str) -> TestResult:
    set_options(rule_runner, options)
    target = rule_runner.get_target(Address("a", target_name=name))
    batch = MinimalDockerImageTestRequest.Batch(
        "", (MinimalDockerImageTestFieldSet.create(target),), partition_metadata=Metadata("")
    )
    return rule_runner.request(TestResult, [batch])


def test_an_image_that_does_as_expected(rule_runner: RuleRunner, isolated: None) -> None:
    found = result(rule_runner, "fine")
    assert found.exit_code == 0
    assert "fine: passed (bubblewrap)" in said(found)


def test_one_that_does_not(rule_runner: RuleRunner, isolated: None) -> None:
    found = result(rule_runner, "wrong")
    assert found.exit_code == 1
    assert "stdout has nothing that matches '^hello$'" in said(found)
    assert "goodbye" in said(found)


def test_several_cases_with_files(rule_runner: RuleRunner, isolated: None) -> None:
    found = result(rule_runner, "several")
    assert (found.exit_code, said(found).count("passed")) == (0, 4), said(found)


def test_where_it_cannot_run_it_is_skipped_or_fails(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(isolation.EMULATORS, "s390x", "there-is-no-such-emulator")
    found = result(rule_runner, "elsewhere")
    assert found.exit_code is None
    assert "a:elsewhere was skipped: the image is for s390x" in caplog.text
    found = result(rule_runner, "elsewhere", "--minimg-test-unavailable=fail")
    assert found.exit_code == 3 and "no emulator" in said(found)


def test_an_image_is_needed(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError) as caught:
        result(rule_runner, "no_image")
    assert "MINIMG-E020 a:no_image: `image` names a:single, a `file`" in str(caught.value)


# -- The target ----------------------------------------------------------------------------------


def target(**values: Any) -> tests.MinimalDockerImageTestTarget:
    address = Address("a", target_name="t")
    return tests.MinimalDockerImageTestTarget({"image": ":i", **values}, address)


@pytest.mark.parametrize(
    "values,problem",
    [
        ({"expected_stdout_regex": "("}, "'(' is no regular expression"),
        ({"cases": [tests.image_case("x", expected_stderr_regex="[")]}, "'[' is no regular"),
        ({"cases": [tests.image_case("x"), tests.image_case("x")]}, "two cases are called 'x'"),
        ({"cases": [tests.image_case("x")], "args": ["y"]}, "`cases` is set beside `args`"),
        ({"http": tests.ImageHttp(0)}, "port"),
        ({"http": tests.ImageHttp(80, "x")}, "is not absolute"),
        ({"env": {"A=": "b"}}, "no name of an environment variable"),
        ({"timeout": 0}, "0 is no time for a test"),
        ({"mounts": {"work": ":x"}}, "is not absolute"),
    ],
)
def test_what_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidTargetException) as caught:
        target(**values)
    assert "MINIMG-E018 a:t: " in str(caught.value) and problem in str(caught.value)


@pytest.mark.parametrize(
    "values", [{"http": "x"}, {"cases": ["x"]}, {"mounts": {"/x": 1}}, {"mounts": ["/x"]}]
)
def test_values_of_other_types(values: dict[str, Any]) -> None:
    with pytest.raises((InvalidFieldTypeException, InvalidTargetException)):
        target(**values)


def test_every_field_reaches_the_request() -> None:
    values: dict[str, Any] = {
        "args": ["A"], "stdin": "I", "env": {"V": "W"}, "expected_exit_code": 3,
        "expected_stdout_regex": "O", "expected_stderr_regex": "E", "read_only": True,
        "trace": True, "timeout": 7, "http": tests.ImageHttp(8080, "/h", 201, "B"),
    }  # fmt: skip
    made = MinimalDockerImageTestFieldSet.create(target(**values))
    assert request(made, {"/m": "there"}) == {
        "version": 1,
        "cases": [
            {
                "name": "t", "args": ("A",), "stdin": "I", "env": {"V": "W"}, "exit_code": 3,
                "stdout": "O", "stderr": "E", "timeout": "7s", "trace": True, "read_only": True,
                "mounts": {"/m": "there"},
                "http": {"port": 8080, "path": "/h", "status": 201, "body": "B"},
            }
        ],
    }  # fmt: skip


def test_the_examples_of_the_help_load() -> None:
    seen = []
    own = tests.MinimalDockerImageTestTarget
    names: dict[str, object] = {
        "image_case": tests.image_case,
        "image_http": tests.ImageHttp,
        "files": lambda **fields: None,
        own.alias: lambda name, **fields: seen.append(own(fields, Address("a", target_name=name))),
    }
    fields = [field for field in own.core_fields if field.__module__ == own.__module__]
    for field in fields:
        before = len(seen)
        for code in help_examples(str(field.help)):
            load_build_file(code, names)
        assert len(seen) > before, field.alias
