"""Model files: ONNX and OpenVINO IR."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file
from hwnas.core.workload import Workload

SUFFIXES = (".onnx", ".xml")


def file_parts(name: str) -> tuple[Path, ...]:
    """The files of a model: itself and, for an IR ``.xml``, its weights in the ``.bin`` beside it.

    Raises:
        UsageError: A file is missing or cannot be looked at, or it has another suffix.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot read a model from {name}", "Give a .onnx file, or an OpenVINO .xml with its .bin"
        )
    parts = (path, path.with_suffix(".bin")) if suffix == ".xml" else (path,)
    for part in parts:
        if not is_file(part):
            whose = "" if part is path else f", the weights of {name},"
            raise UsageError(f"the file {part}{whose} does not exist", "Check the path and the current folder")
    return parts


def file_digest(name: str) -> str:
    """SHA-256 over the contents of a model's files in turn, in hexadecimal.

    Raises:
        UsageError: A file is missing or cannot be read, or it has another suffix.
    """
    digest = hashlib.sha256()
    for part in file_parts(name):
        try:
            with part.open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        except OSError as error:
            raise UsageError(f"cannot read {part}: {error.strerror}", "Check its permissions") from error
    return digest.hexdigest()


def model_file(workload: Workload) -> Path:
    """The file of a workload of the kind ``file``, unchanged since it was declared.

    Raises:
        UsageError: Another kind of workload, a missing or unreadable file, or changed contents.
    """
    if workload.kind != "file":
        raise UsageError(f"{workload.name!r} is a {workload.kind} workload, not a file")
    if file_digest(workload.name) != workload.params.get("sha256"):
        raise UsageError(
            f"{workload.name} is not the file recorded under this name",
            "Bring back the original, or measure the file as it is now",
        )
    return Path(workload.name)
