"""What every form of search space must keep: subclass it and override the `file` fixture."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from hwnas.core.errors import UnknownName, UsageError
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.build import architecture_counts, part_counts
from hwnas.workloads.spaces.space import IMAGES, MOST_COMBINATIONS, Space
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import declared_architecture, space_model, space_workload

_SEEDS = (0, 1, 2)

#: All architectures of a space are looked at where they are so few.
_FEW = 300
#: Of a part's many combinations of options, about so many are built.
_BUILT = 40


def _sampled(space: Space) -> list[dict[str, str | int | float | bool]]:
    return [space.sample(random.Random(seed)) for seed in _SEEDS]


class SpaceContract:
    """Tests that a form of search space, and the spaces that its files describe, do what hwnas asks of them.

    The kind must be known: by an entry point of `hwnas.spaces`, or by
    `hwnas.workloads.spaces.space_file.KINDS.add`. A small file makes quick tests, and one with at most 300
    architectures lets all of them be counted.
    """

    #: Whether every part of a sampled network has a gradient: none may be computed for nobody.
    every_part_matters = True

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A file of the form under test.

        Raises:
            TypeError: The subclass does not say which file.
        """
        raise TypeError(f"{type(self).__name__} must override the fixture 'file'")

    @pytest.fixture
    def space(self, file: Path) -> Space:
        """The space that the file describes."""
        return load_space(str(file))

    def test_reads_what_all_files_say(self, file: Path, space: Space) -> None:
        """Kind, title, input and classes are those of the file."""
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert space.kind == written["kind"]
        assert space.title == written.get("title", "")
        assert "x".join(map(str, space.input_shape)) == written["input"]
        assert space.classes == written["classes"]

    def test_tells_mistakes_with_file_line_and_key(self, file: Path, tmp_path: Path) -> None:
        """A key that nobody knows, and one that is missing."""
        text = file.read_text(encoding="utf-8").rstrip("\n")
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(f"{text}\nno_such_key: 1\n", encoding="utf-8")
        last = len(text.splitlines()) + 1
        with pytest.raises(UsageError, match=rf"wrong\.yaml, line {last}: unknown key 'no_such_key'"):
            load_space(str(wrong))
        without = [line for line in text.splitlines() if not line.startswith("classes:")]
        wrong.write_text("\n".join(without), encoding="utf-8")
        with pytest.raises(UsageError, match=r"wrong\.yaml, line \d+: key classes is missing"):
            load_space(str(wrong))

    def test_is_known_by_its_definition(self, file: Path, space: Space, tmp_path: Path) -> None:
        """Neither name nor title changes the digest; what networks are made of does."""
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
        other = tmp_path / "other.yaml"
        other.write_text(yaml.safe_dump({**written, "title": "Another title"}), encoding="utf-8")
        assert load_space(str(other)).digest == space.digest
        other.write_text(yaml.safe_dump({**written, "classes": space.classes + 1}), encoding="utf-8")
        assert load_space(str(other)).digest != space.digest

    def test_texts_are_read_as_they_were_written(self, space: Space) -> None:
        """One line without blanks, which a shell takes; through JSON as well."""
        for architecture in _sampled(space):
            text = space.compact(architecture)
            assert space.parse(text) == architecture
            assert not set(text) & set(" \n:")
            again = json.loads(json.dumps(architecture))
            space.validate(again)
            assert space.compact(again) == text

    def test_samples_are_canonical_and_follow_the_seed(self, space: Space) -> None:
        """The same seed gives the same architecture; its choices are all of the space's, in order."""
        for seed, architecture in zip(_SEEDS, _sampled(space), strict=True):
            assert architecture == space.sample(random.Random(seed)) == space.canonical(architecture)
            assert list(architecture) == [choice.name for choice in space.choices]

    def test_refuses_what_is_no_architecture(self, space: Space) -> None:
        """Options and choices that there are not, and choices without an option."""
        architecture, name = space.sample(random.Random(0)), space.choices[0].name
        for wrong in ({**architecture, name: "no such option"}, {**architecture, "no such choice": 1}):
            with pytest.raises(UnknownName):
                space.validate(wrong)
        del architecture[name]
        with pytest.raises(UsageError, match=name):
            space.validate(architecture)

    def test_counts_canonical_forms(self, space: Space) -> None:
        """Where there are few, they are counted one by one."""
        assert space.count() >= 1
        assert space.count() <= math.prod(len(choice.options) for choice in space.choices)
        if math.prod(len(choice.options) for choice in space.choices) > _FEW:
            pytest.skip(f"more than {_FEW} architectures")
        names = [choice.name for choice in space.choices]
        every = itertools.product(*(choice.options for choice in space.choices))
        forms = {space.compact(space.canonical(dict(zip(names, o, strict=True)))) for o in every}
        assert space.count() == len(forms)

    def test_draws_itself_in_80_columns(self, space: Space) -> None:
        """For people."""
        lines = space.picture().splitlines()
        assert lines
        assert max(map(len, lines)) <= 80

    def test_parts_have_few_combinations(self, space: Space) -> None:
        """So that a table over them can be made."""
        parts = space.parts()
        assert len({part.name for part in parts}) == len(parts)
        for part in parts:
            assert space.combination_count(part) <= MOST_COMBINATIONS

    def test_combinations_of_a_parts_options_build(self, space: Space) -> None:
        """And run on what they say they read; parts of the same choices differ in channels alone."""
        first = {part.choices: part for part in reversed(space.parts())}
        with torch.device("meta"):
            for part in first.values():
                step = max(1, space.combination_count(part) // _BUILT)
                for options in itertools.islice(space.combinations(part), 0, None, step):
                    made = space.part_module(part, options)
                    if made is not None:
                        made.module.eval()(*(torch.empty(1, *shape) for shape in made.input_shapes))

    def test_wires_parts_in_order(self, space: Space) -> None:
        """What a part reads stands before it."""
        for architecture in _sampled(space):
            known = {IMAGES}
            for step in space.wiring(architecture):
                assert set(step.reads) <= known
                known.add(step.part)

    def test_a_network_is_the_sum_of_its_parts(self, space: Space) -> None:
        """Multiply-adds, parameters, the shapes that parts read, and their order."""
        for architecture in _sampled(space):
            with torch.device("meta"):
                parts = {p.name: m for p in space.parts() if (m := space.part_module(p, architecture))}
                network = space.network(architecture).eval()
            whole, counts = architecture_counts(space, architecture), map(part_counts, parts.values())
            macs, parameters = (sum(c) for c in zip(*((c.macs, c.parameters) for c in counts), strict=True))
            assert (whole.macs, whole.parameters) == (macs, parameters)
            assert whole.macs > 0
            assert not whole.uncounted
            read: dict[str, tuple[tuple[int, ...], ...]] = {}
            for name, module in dict(network.named_children())["parts"].named_children():
                module.register_forward_pre_hook(_noting(read, name))
            network(torch.empty(1, *space.input_shape, device="meta"))
            assert read == {name: part.input_shapes for name, part in parts.items()}
            assert list(read) == list(parts)

    def test_samples_train(self, space: Space) -> None:
        """Finite scores with gradients for the weights, in training mode."""
        for seed, architecture in zip(_SEEDS[:2], _sampled(space), strict=False):
            torch.manual_seed(seed)
            network = space.network(architecture)
            assert all(module.training for module in network.modules())
            scores = network(torch.randn(2, *space.input_shape))
            assert scores.shape == (2, space.classes)
            torch.autograd.backward(nn.functional.cross_entropy(scores, torch.tensor([0, 1])))
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            assert gradients
            assert all(torch.isfinite(g).all() for g in gradients)
            if self.every_part_matters:
                assert len(gradients) == len(list(network.parameters()))

    def test_an_architecture_is_a_model(self, space: Space) -> None:
        """Which other processes rebuild from its declaration, and people by its text."""
        for architecture in _sampled(space):
            workload = space_workload(space, architecture, batch=2)
            assert declared_architecture(workload)[1] == architecture
            assert parse_model(space_model(workload), batch=2) == workload


def _noting(read: dict[str, tuple[tuple[int, ...], ...]], name: str) -> Any:
    """A hook that notes the shapes that a module reads, without the batch."""

    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        read[name] = tuple(tuple(t.shape[1:]) for t in inputs)

    return hook
