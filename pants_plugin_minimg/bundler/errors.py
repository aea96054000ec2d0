"""What can be wrong, under codes that stay the same from release to release.

A message is one line: the code, the address or path it is about, what is wrong, and what to do.
All problems of an image are found before one is reported, so `Problems` collects them.
"""

from __future__ import annotations

import errno

#: Code -> what it stands for. `docs/errors.md` has one section a code; codes are never reused.
CODES = {
    "MINIMG-E001": "the request or a file of ours cannot be read",
    "MINIMG-E002": "a program, library or file is not in the sysroot",
    "MINIMG-E003": "a file is not a program that the loader would start",
    "MINIMG-E004": "a library that a program needs was not found",
    "MINIMG-E005": "a library was found and the loader would refuse it",
    "MINIMG-E006": "a script's interpreter is missing or not usable",
    "MINIMG-E007": "a chain of links does not end, or leaves the root",
    "MINIMG-E008": "files of different architectures in one image",
    "MINIMG-E009": "a glob matches nothing",
    "MINIMG-E010": "`exclude` takes away a file that the closure needs",
    "MINIMG-E011": "two different things claim one path",
    "MINIMG-E012": "a path passes through a file",
    "MINIMG-E013": "a file that an image must not hold",
    "MINIMG-E014": "the entrypoint or health check is not in the image or not executable there",
    "MINIMG-E015": "the user is not in the image's passwd",
    "MINIMG-E016": "no program to put into the image",
    "MINIMG-E017": "UPX is missing, or its version is not supported",
    "MINIMG-E018": "a field contradicts another or does not have the form it must have",
    "MINIMG-E019": "the sysroot cannot be used in this environment",
    "MINIMG-E020": "a dependency cannot be packaged into an image",
    "MINIMG-E021": "no container engine to load the image into",
    "MINIMG-E022": "the host changed while the closure was computed",
    "MINIMG-E023": "a lock is missing, damaged or does not fit its sysroot",
    "MINIMG-E024": "no mirror has what a sysroot needs",
    "MINIMG-E025": "the signature of an archive does not hold",
    "MINIMG-E026": "the dependencies of packages cannot be resolved",
    "MINIMG-E027": "a package or a root file system is damaged, or holds what it must not",
    "MINIMG-E028": "two packages ship one path",
    "MINIMG-E029": "a symbol version is not in the sysroot's library",
    "MINIMG-E030": "a preset cannot be made from the sysroot",
    "MINIMG-E031": "skopeo is missing or too old",
    "MINIMG-E032": "an environment variable that a name asks for is not set",
    "MINIMG-E033": "a registry is not configured, or not in the form it must have",
    "MINIMG-E034": "an image was not pushed",
    "MINIMG-E035": "an SBOM was not attached",
    "MINIMG-E036": "a library is not on the image's list",
    "MINIMG-E037": "an image is larger than its budget",
    "MINIMG-E038": "a file is a secret",
    "MINIMG-E039": "an image is not what it should be",
    "MINIMG-E040": "two images of an index are for one platform",
    "MINIMG-E041": "no image of an index is for this machine",
    "MINIMG-E042": "a program does another thing when it is packed",
    "MINIMG-E043": "a PEX has nothing to start, or nothing to run it",
    "MINIMG-E044": "a PEX does not fit the sysroot's Python",
    "MINIMG-E045": "a sysroot's Python does not run here, to make byte code",
    "MINIMG-E046": "a revision cannot be checked out",
    "MINIMG-E047": "an image was not built at a revision",
    "MINIMG-E048": "an image is not in Pants' store",
    "MINIMG-E049": "no Python that the sandbox program runs on",
    "MINIMG-E050": "the sandbox program has no wheels for a Python",
}

_OF_THE_MACHINE = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
        *(errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    )
)


def of_the_machine(error: BaseException) -> bool:
    """Whether it is a full disk or the like, which says nothing about the file that is read."""
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


class MinimgError(Exception):
    """One problem.

    `subject` is the address or the path, as text (paths escaped as `text.text` does).
    """

    def __init__(self, code: str, subject: str, problem: str, remedy: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code}")
        super().__init__(code, subject, problem, remedy)
        self.code, self.subject, self.problem, self.remedy = code, subject, problem, remedy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MinimgError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)

    def __str__(self) -> str:
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{self.code} {self.subject}: {self.problem}.{tail}"


class Problems(Exception):
    """Every problem that was found, in the order it was found, each once."""

    def __init__(self, errors: list[MinimgError]) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        super().__init__("\n".join(map(str, self.errors)))
