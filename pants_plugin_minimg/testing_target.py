"""The target `minimal_docker_image_test`: what an image must do when it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    DictStringToStringField,
    Field,
    IntField,
    InvalidFieldException,
    InvalidFieldTypeException,
    SpecialCasedDependencies,
    StringField,
    StringSequenceField,
    Target,
)
from pants.util.frozendict import FrozenDict
from pants.util.strutil import help_text

from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.engine import EnvironmentField
from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import AddressField, Checked
from pants_plugin_minimg.target_types import field_problems


@dataclass(frozen=True)
class ImageHttp:
    """A value of `http`: what a service is asked, and what it must answer."""

    port: int
    path: str = "/"
    status: int = 200
    body_regex: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "port": self.port,
            "path": self.path,
            "status": self.status,
            "body": self.body_regex,
        }


@dataclass(frozen=True)
class ImageCase:
    """One run of an image: a value of `cases`. None: as the image has it, or nothing expected."""

    name: str
    args: tuple[str, ...] | None = None
    stdin: str | None = None
    env: FrozenDict[str, str] = FrozenDict()
    expected_exit_code: int | None = 0
    expected_stdout_regex: str | None = None
    expected_stderr_regex: str | None = None
    http: ImageHttp | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "args": self.args,
            "stdin": self.stdin,
            "env": dict(self.env),
            "exit_code": self.expected_exit_code,
            "stdout": self.expected_stdout_regex,
            "stderr": self.expected_stderr_regex,
            "http": None if self.http is None else self.http.to_json(),
        }

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, value in self.env.items():
            yield from forms.variable(name, value)
        for pattern in (self.expected_stdout_regex, self.expected_stderr_regex):
            yield from _expression(pattern)
        if self.http is not None:
            yield from _expression(self.http.body_regex)
            yield from forms.port(str(self.http.port))
            if not self.http.path.startswith("/"):
                yield f"the path {self.http.path!r} of `http` is not absolute", "Begin with `/`."


def image_case(
    name: str,
    *,
    args: Any = None,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    expected_exit_code: int | None = 0,
    expected_stdout_regex: str | None = None,
    expected_stderr_regex: str | None = None,
    http: ImageHttp | None = None,
) -> ImageCase:
    """What a BUILD file writes: `image_case("version", args=["--version"])`."""
    return ImageCase(
        name,
        None if args is None else tuple(args),
        stdin,
        FrozenDict(env or {}),
        expected_exit_code,
        expected_stdout_regex,
        expected_stderr_regex,
        http,
    )


def _expression(pattern: str | None) -> Iterator[forms.Complaint]:
    if pattern is None:
        return
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{pattern!r} is no regular expression: {error}", "Correct it (Python's module `re`)."


class TestDependenciesField(Dependencies):
    help = help_text(
        """
        Further targets that a change of the test may come from. The image and what is mounted are
        dependencies by themselves.

            minimal_docker_image_test(name="smoke", image=":image", dependencies=[":notes"])
        """
    )


class TestedImageField(AddressField):
    alias = "image"
    required = True
    help = help_text(
        """
        The `minimal_docker_image` that is run.

            minimal_docker_image_test(name="smoke", image=":image", args=["--version"])
        """
    )


class TestArgsField(StringSequenceField):
    alias = "args"
    help = help_text(
        """
        The arguments of the image's entrypoint, in place of its `cmd`.

            minimal_docker_image_test(name="smoke", image=":image", args=["--version"])
        """
    )


class TestStdinField(StringField):
    alias = "stdin"
    help = help_text(
        """
        What the process reads from its standard input.

            minimal_docker_image_test(name="sort", image=":image", stdin="b", args=["-"])
        """
    )


class TestEnvField(DictStringToStringField):
    alias = "env"
    help = help_text(
        """
        Variables beside those of the image.

            minimal_docker_image_test(name="debug", image=":image", env={"LEVEL": "debug"})
        """
    )


class ExpectedExitCodeField(IntField):
    alias = "expected_exit_code"
    default = 0
    help = help_text(
        """
        The status that the process must end with; 128 and the number of a signal that ends it. A
        service that is asked by `http` is stopped, and its status does not count.

            minimal_docker_image_test(name="finds", image=":image", expected_exit_code=1)
        """
    )


class ExpectedStdoutField(StringField):
    alias = "expected_stdout_regex"
    help = help_text(
        """
        A regular expression (Python's, `^` and `$` match at each line) that must be found in
        what the process prints.

            minimal_docker_image_test(
                name="smoke", image=":image", args=["--version"], expected_stdout_regex="^v3"
            )
        """
    )


class ExpectedStderrField(StringField):
    alias = "expected_stderr_regex"
    help = help_text(
        """
        The same for its standard error.

            minimal_docker_image_test(
                name="usage", image=":image", expected_exit_code=2, expected_stderr_regex="usage"
            )
        """
    )


#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Http = Optional[ImageHttp]
_Cases = Optional[Iterable[ImageCase]]
_FrozenCases = Optional[tuple[ImageCase, ...]]


class HttpField(Field):
    alias = "http"
    default = None
    value: ImageHttp | None
    help = help_text(
        """
        For a service: it is started, asked until it answers or the time is up, and stopped. It has
        a network of its own, with nothing else in it.

            minimal_docker_image_test(
                name="serves",
                image=":image",
                http=image_http(port=8080, path="/health", status=200, body_regex="ok"),
            )
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _Http, address: Address) -> _Http:
        if raw_value is not None and not isinstance(raw_value, ImageHttp):
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="an `image_http`"
            )
        return raw_value


class CasesField(Field, Checked):
    alias = "cases"
    default = None
    value: tuple[ImageCase, ...] | None
    help = help_text(
        """
        Several runs, in the place of the fields of one. Each has a name and takes those fields.

            minimal_docker_image_test(
                name="smoke",
                image=":image",
                cases=[
                    image_case("version", args=["--version"], expected_stdout_regex="^v3"),
                    image_case("no file", args=["/gone"], expected_exit_code=1),
                ],
            )
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _Cases, address: Address) -> _FrozenCases:
        if raw_value is None:
            return None
        values = tuple(raw_value) if isinstance(raw_value, (list, tuple)) else (raw_value,)
        if not all(isinstance(value, ImageCase) for value in values):
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="a list of `image_case`"
            )
        return values

    def complaints(self) -> Iterator[forms.Complaint]:
        names = [case.name for case in self.value or ()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"two cases are called {name!r}", "Give each its own name."
        for case in self.value or ():
            yield from case.complaints()


class MountsField(SpecialCasedDependencies, Checked):
    alias = "mounts"
    value: FrozenDict[str, str] | None  # type: ignore[assignment]
    help = help_text(
        """
        Files of targets that are mounted while the image runs, by their paths there. Nothing can be
        written to them. A target of several files is a folder with them, and so is one of a single
        file where the path ends in a slash; else that is the file itself.

            files(name="sources", sources=["*.hs"])
            minimal_docker_image_test(
                name="lints", image=":image", mounts={"/work/": ":sources"}, expected_exit_code=1
            )
        """
    )

    @classmethod
    def compute_value(  # type: ignore[override]
        cls, raw_value: Optional[dict[str, str]], address: Address
    ) -> Optional[FrozenDict[str, str]]:
        if raw_value is None:
            return None
        if not isinstance(raw_value, Mapping) or not all(
            isinstance(word, str) for pair in raw_value.items() for word in pair
        ):
            raise InvalidFieldTypeException(
                address, cls.alias, raw_value, expected_type="a dictionary of paths to addresses"
            )
        return FrozenDict(raw_value)

    def inputs_of(self, value: str) -> UnparsedAddressInputs:
        return UnparsedAddressInputs(
            (value,),
            owning_address=self.address,
            description_of_origin=f"the `{self.alias}` field from the target {self.address}",
        )

    def to_unparsed_address_inputs(self) -> UnparsedAddressInputs:
        return UnparsedAddressInputs(
            tuple(dict.fromkeys((self.value or {}).values())),
            owning_address=self.address,
            description_of_origin=f"the `{self.alias}` field from the target {self.address}",
        )

    def complaints(self) -> Iterator[forms.Complaint]:
        for path in self.value or {}:
            yield from forms.path(path[:-1] if path.endswith("/") else path)


class ReadOnlyField(BoolField):
    alias = "read_only"
    default = False
    help = help_text(
        """
        Whether the root file system of the image cannot be written to.

            minimal_docker_image_test(name="read_only", image=":image", read_only=True)
        """
    )


class TraceField(BoolField):
    alias = "trace"
    default = False
    help = help_text(
        """
        Whether the runs are observed by strace, in bubblewrap: the output then names paths that
        were looked for and are not in the image, each with the line to add, and the files of the
        image that no run read, the largest first. It decides nothing: another run may need more.

            minimal_docker_image_test(name="observed", image=":image", trace=True)
        """
    )


class TimeoutField(IntField, Checked):
    alias = "timeout"
    default = 60
    help = help_text(
        """
        The seconds that each run may take.

            minimal_docker_image_test(name="slow", image=":image", timeout=300)
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is None or not 0 < self.value <= 86400:
            yield f"{self.value} is no time for a test", "Write seconds, from 1 to 86400."


#: What says something of the one run that there is without `cases`.
ONE_RUN = (
    TestArgsField,
    TestStdinField,
    TestEnvField,
    ExpectedExitCodeField,
    ExpectedStdoutField,
    ExpectedStderrField,
    HttpField,
)


class MinimalDockerImageTestTarget(Target):
    alias = "minimal_docker_image_test"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        TestDependenciesField,
        TestedImageField,
        *ONE_RUN,
        CasesField,
        MountsField,
        ReadOnlyField,
        TraceField,
        TimeoutField,
        EnvironmentField,
    )
    help = help_text(
        """
        A test of an image: it is run, and does what is expected. `test` runs it, in the image's own
        tree, as its user, with its environment, and with nothing else of the machine in sight: by
        bubblewrap, else by docker or podman, whichever works. The result is cached with the image.

            minimal_docker_image_test(
                name="smoke",
                image=":image",
                args=["--version"],
                expected_stdout_regex="^v3",
            )

        An image of another architecture needs an emulator, `qemu-<machine>-static`. Where there is
        nothing to run it with, the test is skipped and says why, unless `[minimg-test].unavailable`
        is `fail`.
        """
    )

    def validate(self) -> None:
        super().validate()
        problems = list(field_problems(self))
        set_ = [field.alias for field in ONE_RUN if self[field].value != field.default]
        if self[CasesField].value is not None and set_:
            problems.append(
                MinimgError(
                    "MINIMG-E018",
                    str(self.address),
                    f"`cases` is set beside `{set_[0]}`",
                    f"Put `{set_[0]}` into a case.",
                )
            )
        problems += [
            MinimgError("MINIMG-E018", str(self.address), problem, remedy)
            for case in cases(self)
            for problem, remedy in case.complaints()
        ]
        if problems:
            raise InvalidFieldException(str(Problems(problems)))


def cases(of: Any) -> tuple[ImageCase, ...]:
    """Each run of a test; without `cases` the one that its own fields are.

    `of` is the target, or a field set with those fields under their names.
    """

    def value(field: type[Field]) -> Any:
        return of[field].value if isinstance(of, Target) else getattr(of, field.alias).value

    several: tuple[ImageCase, ...] | None = value(CasesField)
    if several is not None:
        return several
    return (
        image_case(
            of.address.target_name,
            args=value(TestArgsField),
            stdin=value(TestStdinField),
            env=value(TestEnvField),
            expected_exit_code=value(ExpectedExitCodeField),
            expected_stdout_regex=value(ExpectedStdoutField),
            expected_stderr_regex=value(ExpectedStderrField),
            http=value(HttpField),
        ),
    )
