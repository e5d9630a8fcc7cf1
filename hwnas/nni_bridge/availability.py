"""Whether NNI can be used here, told before it is imported: afterwards it would fail late, or hang."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata

from hwnas.core.errors import MissingDependency

_INSTALL = "pip install 'hwnas[nni]'"
#: The first filelock with which NNI's experiments wait for ever.
_FIRST_HANGING = (3, 12)


def check_nni(version: Callable[[str], str] = metadata.version) -> None:
    """Pass if NNI 3 and what its architecture search needs are installed.

    Nothing is imported.

    Args:
        version: Tells the version of an installed package.

    Raises:
        MissingDependency: A package is missing, or one has a version with which NNI does not work.
    """
    found = _installed("nni", "NNI", version)
    if _numbers(found)[:1] != (3,):
        raise MissingDependency(f"NNI {found} is installed, but hwnas works with NNI 3 only", _INSTALL)
    _installed("pytorch-lightning", "PyTorch Lightning, without which NNI's architecture search", version)
    filelock = _installed("filelock", "filelock, which NNI needs,", version)
    if _numbers(filelock) >= _FIRST_HANGING:
        raise MissingDependency(
            f"filelock {filelock} is installed, but NNI's experiments hang without a word from 3.12 on",
            "Run pip install 'filelock<3.12'; virtualenv and tox bring a newer one along, so keep them apart",
        )


def _installed(package: str, what: str, version: Callable[[str], str]) -> str:
    try:
        return version(package)
    except metadata.PackageNotFoundError as error:
        does = "does not work, is not installed" if "without" in what else "is not installed"
        raise MissingDependency(f"{what} {does}", _INSTALL) from error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
