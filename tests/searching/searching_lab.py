"""Small spaces, accuracies that are known, and costs that are simple."""

import itertools

import numpy as np

from hwnas.searching.codes import Codes
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.training.accuracy import Accuracy
from hwnas.workloads.spaces.nasbench201_space import NasBench201Space
from hwnas.workloads.spaces.space_file import load_space

CELLS = NasBench201Space("cells", "", (3, 8, 8), 10, 4, 1, ("none", "skip_connect", "nor_conv_3x3"))

SMALL = """
kind: patterns
title: Small
input: 1x8x8
classes: 10
patterns: [depthwise_separable, grouped, standard]
head: 16
stages:
  - {width: [8, 16, 24], depth: [1, 2, 3]}
  - {width: [16, 32], depth: [1, 2], kernel: [3, 5]}
"""


def small_space(folder):
    path = folder / "small.yaml"
    path.write_text(SMALL)
    return load_space(str(path))


TINY = """
kind: patterns
title: Tiny
input: 1x8x8
classes: 10
patterns: [standard]
head: 16
stages:
  - {width: [8, 16], depth: [1]}
  - {width: [16, 32], depth: [1]}
"""


def tiny_space(folder):
    """Of four networks."""
    path = folder / "tiny.yaml"
    path.write_text(TINY)
    return load_space(str(path))


class Sum(CostModel):
    """A sum over choices, in ms: the number of the option, times the number of the choice from 1."""

    def __init__(self, space, *, name="latency", spread=0.0, screens=True):
        self.name, self.unit = name, "s"
        self.codes, self.spread, self.screens = Codes(space), spread, screens

    def values(self, codes):
        weights = np.arange(1, codes.shape[1] + 1)
        return 1e-3 * (1 + codes @ weights)

    def screen(self, codes):
        return self._estimate(codes) if self.screens else None

    def estimate(self, architecture):
        return self._estimate(self.codes.encode([architecture]))

    def _estimate(self, codes):
        return Estimate(self.values(codes), np.full(len(codes), self.spread))


class Measurable(Sum):
    """Known to about a fifth, until it is measured; `left` networks may be."""

    def __init__(self, space, left=100):
        super().__init__(space, spread=0.2)
        self.left, self.known = left, []

    @property
    def measurements_left(self):
        return self.left - len(self.known)

    def measure(self, architectures):
        self.known += map(dict, architectures)

    def is_measured(self, architecture):
        return architecture in self.known

    def estimate(self, architecture):
        found = super().estimate(architecture)
        return Estimate.exact(found.median) if architecture in self.known else found


class Known:
    """An evaluator that looks accuracies up: more layers and options of higher numbers are better."""

    def __init__(self, space):
        self.codes, self.asked = Codes(space), []

    def accuracy(self, row):
        return float(1 / (1 + np.exp(-np.sum(np.sqrt(row)) / 4)))

    def evaluate(self, workload, *, seed=0, epochs=None, report=None):
        text = workload.params["architecture"]
        self.asked.append(text)
        (row,) = self.codes.encode([self.codes.space.parse(text)])
        return Accuracy(self.accuracy(row))


def everything(space):
    codes = Codes(space)
    return codes.canonical(np.array(list(itertools.product(*map(range, codes.options)))))


def each(measure):
    """What measures one network, for all that are asked for."""
    return lambda architectures: [measure(architecture) for architecture in architectures]
