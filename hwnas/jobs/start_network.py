"""The network that NetAdapt starts from, and images of the size that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.named_function import is_function_name
from hwnas.core.workload import Workload
from hwnas.exporting.declaration import Declaration
from hwnas.exporting.file_names import ARCHITECTURE
from hwnas.exporting.rebuilding import rebuilt
from hwnas.jobs.defaults import DATA
from hwnas.jobs.told_images import ToldImages
from hwnas.measuring.input_memory import check_input_memory
from hwnas.netadapt.resizing import resize
from hwnas.training.datasets import load_data
from hwnas.training.image_data import ImageData
from hwnas.training.rescaled_images import rescaled
from hwnas.workloads.build import new_module
from hwnas.workloads.dry_run import run
from hwnas.workloads.models import NAMED_KINDS, parse_model
from hwnas.workloads.randomness import seeded

#: Smaller images leave nothing behind the strides of networks that were made for photographs.
_SMALLEST_SIDE = 32


@dataclass(frozen=True, eq=False)
class Start:
    """A network before it is shrunk.

    Args:
        network: With weights; in eval mode.
        workload: From which it is built again, but for what its tensors' shapes say.
        data: Images that it reads.
        trained: Whether its weights were trained already.
        other_data: What a person should know of it, where they were trained on other images; else empty.
    """

    network: nn.Module
    workload: Workload
    data: ImageData
    trained: bool
    other_data: str = ""


def start_data(name: str, given: str | None, image_size: int | None) -> ImageData:
    """The images that a network is trained or fine-tuned on.

    Args:
        name: A model, or the folder of an export or a search.
        given: Name of the data that the user asks for; None for those that the folder's network was trained on,
            or else digits.
        image_size: Of images from a folder; None for what the folder's network reads, or else the usual.

    Raises:
        UnknownName: No such data set.
        UsageError: They cannot be used, or the folder cannot be read.
    """
    told = ToldImages.of(name)
    chosen = given or (told.data if told else None) or DATA
    # Images of a folder come in the size that is asked for; others are scaled to it.
    own = image_size or (told.side if told else None)
    size = own if chosen.startswith("folder:") else None
    if given or told is None or told.data is None:
        return load_data(chosen, image_size=size)
    try:
        return load_data(chosen, image_size=size)
    except UsageError as error:
        raise UsageError(
            f"the network in {name} was trained on {chosen}: {error.message}", "Name its data with --data"
        ) from error


def start_network(name: str, data: ImageData, side: int | None, seed: int, batch: int = 1) -> Start:
    """Build the network and fit images and scores to each other.

    Args:
        name: A model, or the folder of an export or a search.
        data: Images; they are scaled, and grey ones repeated in three channels, where the network wants it.
        side: Height and width of the images that a network by name is to read; None for those of the data, or
            32 where they are smaller. Others read images of one size, and no other is taken.
        seed: Of new weights.
        batch: Images in one inference.

    Raises:
        OutOfMemory: A batch of images does not fit into memory.
        UnknownName: No such network.
        UsageError: The name or the folder cannot be used, or the network does not suit the data; or the images
            do not fit into memory in the size that it reads.
    """
    folder, told = Path(name), ToldImages.of(name)
    if told is not None:
        told.check(data)
        workload = _of_batch(Declaration.read(folder / ARCHITECTURE).workload, batch)
        _check_side(workload, side)
        other = told.other_than(data)
        return _checked(Start(rebuilt(folder), workload, _for(workload, data), trained=True, other_data=other))
    if not name.startswith("space:"):
        return _by_name(name, data, side, seed, batch)
    workload = parse_model(name, batch=batch)
    _check_side(workload, side)
    return _new(workload, data, seed)


def _by_name(name: str, data: ImageData, side: int | None, seed: int, batch: int) -> Start:
    """Of the first shape that it runs on: networks of libraries read colours, one of the user's own may not."""
    own, chosen = data.input_shape, side or max(_SMALLEST_SIDE, *data.input_shape[1:])
    shapes = [(3, chosen)]
    if is_function_name(name) and name.partition(":")[0] not in NAMED_KINDS:
        shapes = [(own[0], side or own[1]), (own[0], chosen), (3, chosen)]
    refused: UsageError | None = None
    for channels, height in dict.fromkeys(shapes):
        try:
            return _new(parse_model(name, input_shape=(batch, channels, height, height)), data, seed)
        except UnknownName:
            raise
        except UsageError as error:
            # The last shape is the usual one: what is said of it tells most.
            refused = error
    assert refused is not None  # no shape has worked
    raise refused


def _new(workload: Workload, data: ImageData, seed: int) -> Start:
    with seeded(seed):
        network = new_module(workload)
    fitting = _for(workload, data)
    _with_classes(network, workload, fitting, seed)
    return _checked(Start(network, workload, fitting, trained=False))


def _of_batch(workload: Workload, batch: int) -> Workload:
    return replace(workload, input_shape=(batch, *workload.input_shape[1:]))


def _check_side(workload: Workload, side: int | None) -> None:
    """Refuse a size of images for a network that reads those of its own."""
    if side is not None and workload.input_shape[2:] != (side, side):
        raise UsageError(
            f"{workload.label} has an input of {_shape(workload)}, and no images of {side}x{side}",
            "Leave --image-size out: a network of a library or of your own takes one",
        )


def _for(workload: Workload, data: ImageData) -> ImageData:
    if len(workload.input_shape) != 4:
        raise UsageError(
            f"{workload.label} has an input of {_shape(workload)}, which is no images",
            "Give a network of images",
        )
    _, channels, height, width = workload.input_shape
    if height != width:
        raise UsageError(f"{workload.label} reads images of {height}x{width}", "Give a network for squares")
    return rescaled(data, channels, height)


def _shape(workload: Workload) -> str:
    return "x".join(map(str, workload.input_shape))


def _with_classes(network: nn.Module, workload: Workload, data: ImageData, seed: int) -> None:
    """Give the last layer as many scores as the data have classes, with new weights."""
    scores = _scores(network, workload)
    have = scores.shape[1]
    if have == data.classes:
        return
    layers = [
        (name, layer)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.shape[0] == have
    ]
    if not layers:
        raise UsageError(f"{workload.label} has no last layer of {have} scores", "Give another network")
    name, last = layers[-1]
    shapes = {f"{name}.weight": (data.classes, *last.weight.shape[1:])}
    if last.bias is not None:
        shapes[f"{name}.bias"] = (data.classes,)
    resize(network, shapes)
    with seeded(seed):
        last.reset_parameters()


def _scores(network: nn.Module, workload: Workload) -> torch.Tensor:
    check_input_memory([workload.input_shape], "Give a smaller --batch or --image-size")
    try:
        scores = run(workload.label, network.eval(), (torch.zeros(workload.input_shape),))
    except UsageError as error:
        raise UsageError(error.message, "Give the size of images that it reads with --image-size") from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        raise UsageError(f"{workload.label} gives no scores of classes", "Give a network that classifies")
    return scores


def _checked(start: Start) -> Start:
    scores = _scores(start.network, start.workload)
    if scores.shape[1] != start.data.classes:
        raise UsageError(
            f"the network tells {scores.shape[1]} classes, and {start.data.name} has {start.data.classes}",
            "Give the data that it was trained on",
        )
    return start
