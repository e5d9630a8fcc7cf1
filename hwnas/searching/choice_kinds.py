"""Which choices of a space decide the same kind of thing, such as the width of a stage."""

from __future__ import annotations

from hwnas.predicting.encoded import ChoiceEncoding
from hwnas.workloads.spaces.choice import Choice
from hwnas.workloads.spaces.space import Space


def is_numeric(choice: Choice) -> bool:
    """Whether the options are numbers, which have an order."""
    return all(isinstance(o, int | float) and not isinstance(o, bool) for o in choice.options)


def kind(choice: Choice) -> tuple[str, ...]:
    """Equal for choices of one kind: numbers by the last word of their name, others by their options."""
    if is_numeric(choice):
        return (choice.name.rpartition(".")[2],)
    return ("", *sorted(choice.texts))


def encoding(space: Space) -> ChoiceEncoding:
    """The choices of a space for a predictor that knows architectures by them alone.

    The same option of choices of one kind has the same label.
    """
    labels: dict[tuple[tuple[str, ...], str], int] = {}
    numbered = tuple(
        tuple(labels.setdefault((kind(choice), text), len(labels)) for text in choice.texts)
        for choice in space.choices
    )
    return ChoiceEncoding(tuple(len(choice.options) for choice in space.choices), numbered)
