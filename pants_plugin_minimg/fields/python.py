"""What comes along with a `pex_binary`."""

from __future__ import annotations

from pants.engine.target import BoolField, StringField
from pants.util.strutil import help_text


class PythonStdlibField(StringField):
    DEFAULT, ALL, REACHABLE = "default", "all", "reachable"
    alias = "python_stdlib"
    default = DEFAULT
    valid_choices = (DEFAULT, ALL, REACHABLE)
    help = help_text(
        """
        How much of the standard library comes with a `pex_binary`. `default` leaves out what only
        developers run: test suites, IDLE and Tk, `ensurepip`, `lib2to3`, the texts of `pydoc`, and
        what builds extension modules. `all` takes it all. `reachable` takes only the modules that
        an import of the program or of its distributions leads to, found in their sources without
        running them; the log names imports that no source tells, for `include`.

            minimal_docker_image(
                name="image",
                binary=":app",
                sysroot="//sysroots:bookworm",
                packages=["python3"],
                python_stdlib="all",
            )
        """
    )


class PythonBytecodeField(BoolField):
    alias = "python_bytecode"
    default = True
    help = help_text(
        """
        Whether the byte code of a `pex_binary` and of its standard library is made when the image
        is built, so that a container does not compile at each start what it imports. The sysroot's
        own Python makes it (one of another architecture under qemu-user); it depends on the sources
        alone, not on time or machine. Without it the image is smaller.

            minimal_docker_image(
                name="image",
                binary=":app",
                sysroot="//sysroots:bookworm",
                packages=["python3"],
                python_bytecode=False,
            )
        """
    )
