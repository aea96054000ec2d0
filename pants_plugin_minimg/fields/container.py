"""The config of an image: what its container starts, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from pants.engine.addresses import Address
from pants.engine.target import (
    DictStringToStringField,
    Field,
    InvalidFieldTypeException,
    StringField,
    StringSequenceField,
)
from pants.util.strutil import help_text

from pants_plugin_minimg.fields import forms
from pants_plugin_minimg.fields.base import Checked, PathsField


@dataclass(frozen=True)
class ImageHealthcheck:
    """A value of `healthcheck`; times as in `30s`, None for docker's own values."""

    command: tuple[str, ...]
    interval: str | None = None
    timeout: str | None = None
    start_period: str | None = None
    retries: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if value is not None}


def image_healthcheck(
    *command: str,
    interval: str | None = None,
    timeout: str | None = None,
    start_period: str | None = None,
    retries: int | None = None,
) -> ImageHealthcheck:
    """What a BUILD file writes: `image_healthcheck("/bin/server", "--healthy", interval="30s")`."""
    return ImageHealthcheck(command, interval, timeout, start_period, retries)


#: Pants evaluates the hints of `compute_value` for its help, on CPython 3.9 too.
_Healthcheck = Optional[ImageHealthcheck]


class EntrypointField(StringSequenceField, Checked):
    alias = "entrypoint"
    help = help_text(
        """
        The program that the container starts, by its path in the image, and its first arguments.
        By default the program of `binary`, or the only one of `executables`.

            minimal_docker_image(
                name="image",
                executables=["/usr/bin/git"],
                entrypoint=["/usr/bin/git", "--no-pager"],
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        if self.value is None:
            return iter(())
        return forms.arguments(self.value, "Leave it out to start the program of `binary`.")


class CmdField(StringSequenceField, Checked):
    alias = "cmd"
    help = help_text(
        """
        The arguments that `entrypoint` gets when `docker run` gives none.

            minimal_docker_image(name="image", binary=":server", cmd=["--port", "8080"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            if "\0" in value:
                yield f"{value!r} holds a NUL", "Take it out."


class EnvField(DictStringToStringField, Checked):
    alias = "env"
    help = help_text(
        """
        Environment variables of the container. `PATH` is docker's default unless it is given.
        `LD_LIBRARY_PATH` counts when libraries are looked for.

            minimal_docker_image(name="image", binary=":server", env={"LANG": "C.UTF-8"})
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, value in (self.value or {}).items():
            yield from forms.variable(name, value)


class WorkdirField(StringField, Checked):
    alias = "workdir"
    help = help_text(
        """
        The folder that the container starts in.

            minimal_docker_image(name="image", binary=":server", workdir="/work")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.folder(self.value) if self.value is not None else iter(())


class UserField(StringField, Checked):
    alias = "user"
    default = "65532:65532"
    value: str
    help = help_text(
        """
        The user that the container runs as: `uid:gid` in numbers, or names that the image's
        `/etc/passwd` and `/etc/group` have. By default nobody in particular, and not root. A lone
        `uid` runs with the group 0.

            minimal_docker_image(name="image", binary=":server", user="1000:1000")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.user(self.value)


class PortsField(StringSequenceField, Checked):
    alias = "ports"
    help = help_text(
        """
        The ports that the container listens on: information for those who run it.

            minimal_docker_image(name="image", binary=":server", ports=["8080", "53/udp"])
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for value in self.value or ():
            yield from forms.port(value)


class VolumesField(PathsField):
    alias = "volumes"
    help = help_text(
        """
        Folders of the image that are volumes of the container.

            minimal_docker_image(name="image", binary=":server", volumes=["/data"])
        """
    )


class StopSignalField(StringField, Checked):
    alias = "stop_signal"
    help = help_text(
        """
        The signal that asks the container to end. By default the engine's, which is SIGTERM.

            minimal_docker_image(name="image", binary=":server", stop_signal="SIGINT")
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        return forms.stop_signal(self.value) if self.value is not None else iter(())


class HealthcheckField(Field, Checked):
    alias = "healthcheck"
    default = None
    value: ImageHealthcheck | None
    help = help_text(
        """
        What docker runs in the container from time to time to see whether it works: a program of
        the image with its arguments, which exits 0 then. There is no shell to give a line to.

        Docker alone reads it: for podman, containerd and Kubernetes OCI images have no such thing.

            minimal_docker_image(
                name="image",
                binary=":server",
                healthcheck=image_healthcheck(
                    "/server", "--healthy", interval="30s", timeout="5s", retries=3
                ),
            )

        Further it takes `start_period`. What is left out has docker's own value.
        """
    )

    @classmethod
    def compute_value(cls, raw_value: _Healthcheck, address: Address) -> _Healthcheck:
        if raw_value is not None and not (
            isinstance(raw_value, ImageHealthcheck)
            and all(isinstance(word, str) for word in raw_value.command)
        ):
            raise InvalidFieldTypeException(
                address,
                cls.alias,
                raw_value,
                expected_type="an `image_healthcheck` of strings",
            )
        return raw_value

    def complaints(self) -> Iterator[forms.Complaint]:
        check = self.value
        if check is None:
            return
        yield from forms.arguments(check.command, "Name a program of the image first.")
        for name in ("interval", "timeout", "start_period"):
            value = getattr(check, name)
            if value is not None:
                yield from forms.duration(str(value), name)
        if check.retries is not None and not (
            isinstance(check.retries, int) and 0 < check.retries < 1 << 31
        ):
            yield f"retries is {check.retries!r}", "Write a number from 1 on."


class AnnotationsField(DictStringToStringField, Checked):
    alias = "annotations"
    help = help_text(
        """
        Annotations of the image's manifest, which registries show; `image_labels` are for engines.
        Those of `[minimg].annotations` are added. Nothing is filled in by itself: a commit or a
        time would make another digest of equal bytes. `{env.NAME}` is that variable's value.

            minimal_docker_image(
                name="image",
                binary=":server",
                annotations={"org.opencontainers.image.licenses": "MIT"},
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name, value in (self.value or {}).items():
            yield from forms.annotation(name, value)


class ImageLabelsField(DictStringToStringField, Checked):
    alias = "image_labels"
    help = help_text(
        """
        Labels of the image. `{env.NAME}` in a value is the variable NAME of the environment.

            minimal_docker_image(
                name="image", binary=":server", image_labels={"org.example.team": "build"}
            )
        """
    )

    def complaints(self) -> Iterator[forms.Complaint]:
        for name in self.value or {}:
            yield from forms.label(name)
