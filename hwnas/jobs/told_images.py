"""What a folder tells of the images that its network was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file
from hwnas.exporting.declaration import read_record
from hwnas.exporting.file_names import ARCHITECTURE
from hwnas.training.image_data import ImageData


@dataclass(frozen=True)
class ToldImages:
    """Of a network that was trained.

    Args:
        folder: Of the network.
        data: Name of the data; None where nobody says.
        classes: Their names, in the order of the scores; None where nobody says.
        side: Height of the images that it reads; None where it reads something else.
    """

    folder: Path
    data: str | None
    classes: tuple[str, ...] | None
    side: int | None

    @classmethod
    def of(cls, name: str) -> ToldImages | None:
        """Of a folder; None where the name is not that of a folder with a network.

        Raises:
            UsageError: Its file cannot be looked at or read.
        """
        if name.startswith("space:"):
            return None  # an architecture may be longer than the name of any file
        path = Path(name) / ARCHITECTURE
        return cls.read(path) if is_file(path) else None

    @classmethod
    def read(cls, path: Path) -> ToldImages:
        """From the ``architecture.json`` of a search or an export.

        Raises:
            UsageError: It cannot be read.
        """
        record = read_record(path)
        told = record.get("told")
        data, classes = (
            (told.get(key) for key in ("data", "classes")) if isinstance(told, dict) else (None, None)
        )
        shape = record.get("input", {}).get("shape", ())
        return cls(
            path.parent,
            data if isinstance(data, str) else None,
            tuple(map(str, classes)) if isinstance(classes, list) else None,
            int(shape[2]) if len(shape) == 4 else None,
        )

    def check(self, data: ImageData) -> None:
        """Refuse images of other classes: the network's scores would mean something else.

        Raises:
            UsageError: They are others, or in another order.
        """
        if self.classes is None or self.classes == data.class_names:
            return
        trained = f"the network in {self.folder} was trained on {self.data or 'other data'}"
        hint = "Give the data that it was trained on with --data, or a network by name"
        if len(self.classes) != len(data.class_names):
            raise UsageError(
                f"{trained}, which has {len(self.classes)} classes; {data.name} has {len(data.class_names)}",
                hint,
            )
        place = next(n for n, name in enumerate(self.classes) if name != data.class_names[n])
        raise UsageError(
            f"{trained}, whose class {place} is {self.classes[place]!r}; that of {data.name} is "
            f"{data.class_names[place]!r}",
            hint,
        )

    def other_than(self, data: ImageData) -> str:
        """A sentence where the network was trained on other images of the same classes; else empty."""
        if self.data is None or self.data == data.name:
            return ""
        return f"the network was trained on {self.data}, and is fine-tuned on {data.name}"
