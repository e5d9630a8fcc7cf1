"""What a search chooses: named choices, and how their options are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Scalar

#: Choice -> option. All choices of a space, or those that a part of it depends on.
Architecture = Mapping[str, Scalar]

#: What an option may look like in the compact text, which a shell takes without quotes.
_TEXT = re.compile(r"[A-Za-z0-9_.-]+")


def option_text(option: Scalar) -> str:
    """An option as people write it; true and false as YAML does."""
    return str(option).lower() if isinstance(option, bool) else str(option)


@dataclass(frozen=True)
class Choice:
    """One decision of a search.

    Args:
        name: Such as ``stage1.width``; what stands before the point groups choices.
        options: What can be chosen, in the order of the file; one alone is allowed.

    Raises:
        UsageError: No options, two that are written alike, or one that the compact text cannot hold.
    """

    name: str
    options: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        texts = self.texts
        if not texts:
            raise UsageError(f"the choice {self.name} has no options", "Give at least one")
        for text in texts:
            if not _TEXT.fullmatch(text):
                raise UsageError(
                    f"the choice {self.name} has the option {text!r}",
                    "Write options with letters, digits, underscores, points and hyphens",
                )
            if texts.count(text) > 1:
                raise UsageError(f"the choice {self.name} has the option {text} twice", "Name each once")

    @property
    def texts(self) -> tuple[str, ...]:
        """The options as people write them."""
        return tuple(option_text(option) for option in self.options)

    def option(self, text: str) -> Scalar:
        """The option that is written `text`.

        Raises:
            UnknownName: There is none; close ones are listed.
        """
        texts = self.texts
        if text not in texts:
            raise UnknownName(f"option of {self.name}", text, texts)
        return self.options[texts.index(text)]

    def check(self, option: object) -> None:
        """Refuse what is not an option; ``True`` is not 1, and ``"3"`` is not 3.

        Raises:
            UnknownName: Not one of the options.
        """
        if not any(type(option) is type(known) and option == known for known in self.options):
            raise UnknownName(f"option of {self.name}", str(option), self.texts)
