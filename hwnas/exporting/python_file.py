"""The Python file that rebuilds a network."""

from __future__ import annotations

from hwnas import __version__
from hwnas.exporting.file_names import WEIGHTS

_TEXT = '''"""{title}

Written by hwnas {version}, which it needs. `python {name}` prints the shape of the output.
"""

from pathlib import Path

from torch import nn

from hwnas.exporting.rebuilding import output_shapes, rebuilt

INPUT_SHAPE = {shape}


def network() -> nn.Module:
    """In eval mode, with the weights in {weights} beside this file."""
    return rebuilt(Path(__file__).resolve().parent)


if __name__ == "__main__":
    print(*output_shapes(network(), INPUT_SHAPE))
'''


def python_text(model: str, input_shape: tuple[int, ...], name: str) -> str:
    """The file's text.

    Args:
        model: The network as users write it.
        input_shape: Batch first.
        name: Of the file.
    """
    # Names of models may hold whatever ends a text.
    title = model.replace("\\", "/").replace('"', "'")
    return _TEXT.format(title=f"{title}.", version=__version__, name=name, shape=input_shape, weights=WEIGHTS)
