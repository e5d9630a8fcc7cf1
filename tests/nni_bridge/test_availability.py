"""What is said where NNI cannot be used, before it is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from hwnas.core.errors import MissingDependency
from hwnas.nni_bridge.availability import check_nni

GOOD = {"nni": "3.0", "pytorch-lightning": "2.6.0", "filelock": "3.11.0"}


def versions(**other: str | None):
    known = {**GOOD, **{name.replace("_", "-"): version for name, version in other.items()}}

    def version(package: str) -> str:
        if known.get(package) is None:
            raise PackageNotFoundError(package)
        return known[package]

    return version


def test_what_works_passes() -> None:
    check_nni(versions())


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"nni": None}, r"NNI is not installed. pip install 'hwnas\[nni\]'"),
        ({"nni": "2.10.1"}, "NNI 2.10.1 is installed, but hwnas works with NNI 3 only"),
        ({"pytorch_lightning": None}, r"does not work, is not installed. pip install 'hwnas\[nni\]'"),
        ({"filelock": "3.12.0"}, "filelock 3.12.0 is installed, but NNI's experiments hang .* 'filelock<3.12'"),
        ({"filelock": "4.0"}, "hang without a word from 3.12 on"),
        ({"filelock": None}, "filelock, which NNI needs, is not installed"),
    ],
)
def test_what_does_not_is_told_with_the_way_out(other: dict, said: str) -> None:
    with pytest.raises(MissingDependency, match=said):
        check_nni(versions(**other))


def test_importing_the_module_loads_neither_nni_nor_torch() -> None:
    probe = (
        "import hwnas.nni as n, sys; print(len(n.__all__), *[m for m in ('nni', 'torch') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["15"]


@pytest.mark.usefixtures("needs_nni")
def test_every_public_name_is_there() -> None:
    import hwnas.nni

    for name in hwnas.nni.__all__:
        assert callable(getattr(hwnas.nni, name))
    assert dir(hwnas.nni) == sorted(hwnas.nni.__all__)
    with pytest.raises(AttributeError, match=r"hwnas.nni"):
        hwnas.nni.searches  # noqa: B018
