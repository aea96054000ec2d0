"""The options of `[minimg]`."""

from __future__ import annotations

from typing import Any

from pants.option.option_types import (
    BoolOption,
    DictOption,
    IntOption,
    ShellStrListOption,
    StrListOption,
    StrOption,
)
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap

from pants_plugin_minimg.subsystems.interpreter import VERSIONS


class MinimgSubsystem(Subsystem):
    options_scope = "minimg"
    help = "Minimal container images, made by `minimal_docker_image` targets."

    default_repository = StrOption(
        default="{name}",
        help=softwrap(
            """
            The repository of images whose `repository` field is not set.

            Placeholders: `{name}` is the target's name, `{full_directory}` the folder of its BUILD
            file, `{directory}` the last component of that, `{parent_directory}` the one before,
            and `{env.NAME}` the variable NAME of the environment.

            Example: `default_repository = "{directory}/{name}"`.
            """
        ),
    )
    registries = DictOption[Any](
        fromfile=True,
        help=softwrap(
            """
            Registries by name, in the form of `[docker].registries`, which is taken where this is
            empty. A name is written `@name` in the field `registries`; an image without that field
            is for all that are marked `default`, or named `default`.

            `address` is HOST:PORT, `skip_push` leaves a registry out when images are published,
            `extra_image_tags` are further tags for it, `repository` stands in for that of the image
            (which is `{target_repository}` in it), and with `use_local_alias` images are also named
            `name/repository:tag` on this machine, for `run`.

            Example: `registries = { main = { address = "registry.example.org", default = true } }`.
            """
        ),
    )
    publish_env_vars = StrListOption(
        help=softwrap(
            """
            Names of further environment variables for skopeo when `publish` runs it, and so for the
            credential helpers that it starts. HOME, PATH, DOCKER_CONFIG, REGISTRY_AUTH_FILE,
            XDG_RUNTIME_DIR, SSL_CERT_FILE, SSL_CERT_DIR and the proxies' are given anyhow.

            Example: `publish_env_vars = ["AWS_PROFILE", "AWS_SESSION_TOKEN"]`.
            """
        ),
        advanced=True,
    )
    publish_retries = IntOption(
        default=3,
        help=softwrap(
            """
            How often skopeo tries again what failed for the network's or the registry's sake.

            Example: `publish_retries = 0`.
            """
        ),
        advanced=True,
    )
    run_args = ShellStrListOption(
        help=softwrap(
            """
            Options of `docker run` (or of podman's) for all images that `run` starts.

            Example: `run_args = ["--read-only", "--network=none"]`.
            """
        ),
    )
    python = StrOption(
        default=None,
        help=softwrap(
            f"""
            The interpreter that the sandbox program runs on: a path, or a name that is looked for
            on Pants' standard search path of the environment; {VERSIONS}. The path is in the key of
            each step: machines that share a remote cache need one that is the same on all.

            Without it, it is the interpreter that Pants itself runs on; in other environments than
            the local one, the first of python3 and python3.N that will do.

            Example: `python = "/usr/bin/python3.11"`.
            """
        ),
        advanced=True,
    )
    source_date_epoch = IntOption(
        default=0,
        help=softwrap(
            """
            The time in all images, in seconds since 1970: of every file, and of the creation. 0
            everywhere gives the same digest at every time; a time of the commit gives another one
            at each commit.

            Example: `source_date_epoch = 1735689600`.
            """
        ),
        advanced=True,
    )
    annotations = DictOption[str](
        help=softwrap(
            """
            Annotations of all images, beside those of the field `annotations`, which wins. In
            values here, there and in `image_labels`, `{env.NAME}` is the variable NAME of the
            environment. A value that changes with each commit gives another digest each time.

            Example: `annotations = { "org.opencontainers.image.revision" = "{env.COMMIT}" }`.
            """
        ),
    )
    plans = BoolOption(
        default=False,
        help=softwrap(
            """
            Whether `package` also writes NAME.plan.json: every path of the image, the SHA-256 of
            its content, and why it is there. The bundler's `verify` compares an image with it. Of
            an index they are NAME.amd64.plan.json and so on.

            Example: `plans = true`.
            """
        ),
    )
    html = BoolOption(
        default=False,
        help=softwrap(
            """
            Whether `package` also writes NAME.html, a page for a browser: the bytes of the image by
            package and file, who needs whom, the layers, and why each path is there. It holds no
            script and fetches nothing. Of an index, each platform is a part of the page.

            Example: `package --minimg-html //app:image`.
            """
        ),
    )
    hints = BoolOption(
        default=True,
        help=softwrap(
            """
            Whether the log names libraries and plugin folders that programs may open as they run
            and that are not in the image, each with the line to add.

            Example: `hints = false`.
            """
        ),
    )


def rules():  # type: ignore[no-untyped-def]
    return [*MinimgSubsystem.rules()]
