"""Every shipped space keeps the contract, and so does a form that somebody else has written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from torch import nn

from hwnas.core.resources import data_folder
from hwnas.testing.space_contract import SpaceContract
from hwnas.workloads.spaces.choice import Architecture, Choice
from hwnas.workloads.spaces.space import Part, PartModule, Space
from hwnas.workloads.spaces.space_file import KINDS
from hwnas.workloads.spaces.space_form import Kernels, SpaceForm, Widths


def shipped(name: str) -> Path:
    return data_folder("search_spaces") / f"{name}.yaml"


class TestPatterns(SpaceContract):
    @pytest.fixture
    def file(self) -> Path:
        return shipped("patterns")


class TestMBConv(SpaceContract):
    @pytest.fixture
    def file(self) -> Path:
        return shipped("mbconv")


class TestDarts(SpaceContract):
    @pytest.fixture
    def file(self) -> Path:
        return shipped("darts")


class TestNasBench201(SpaceContract):
    every_part_matters = False  # edges may lead to a node that nothing reads

    @pytest.fixture
    def file(self) -> Path:
        return shipped("nasbench201")


@dataclass(frozen=True)
class Tower(Space):
    """One convolution and a classifier."""

    width: tuple[int, ...]
    kernel: tuple[int, ...]

    kind: ClassVar[str] = "tower"

    def _choices(self) -> Iterator[Choice]:
        yield Choice("body.width", self.width)
        yield Choice("body.kernel", self.kernel)

    def _parts(self) -> Iterator[Part]:
        yield Part("body", ("body.width", "body.kernel"))
        yield Part("head", ("body.width",))

    def _part_module(self, part: Part, options: Architecture) -> PartModule:
        width = int(options["body.width"])
        channels, height, wide = self.input_shape
        if part.name == "head":
            head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.classes))
            return PartModule(head, ((width, height, wide),))
        convolution = nn.Conv2d(channels, width, int(options["body.kernel"]), padding="same")
        return PartModule(convolution, (self.input_shape,))

    def picture(self) -> str:
        return "images -> convolution -> head"


class TowerForm(SpaceForm):
    width: Widths
    kernel: Kernels = (3,)

    main_key: ClassVar[str] = "width"

    def space(self, name: str) -> Tower:
        return Tower(name, self.title, self.input, self.classes, self.width, self.kernel)


class TestAFormOfSomebodyElse(SpaceContract):
    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(KINDS, "_builtin", dict(KINDS._builtin))
        KINDS.add("tower", f"{__name__}:TowerForm")
        path = tmp_path / "tower.yaml"
        path.write_text("kind: tower\ninput: 3x8x8\nclasses: 3\nwidth: [4, 8]\nkernel: [1, 3]\n")
        return path
