"""Data sets: how they are read and divided, and what is wrong with one."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_up_images import idx_bytes, made_up_part, write_fashion_mnist
from PIL import Image

from hwnas.core.errors import UnknownName, UsageError
from hwnas.training.augmentation import Augmentation
from hwnas.training.datasets import divided, load_data
from hwnas.training.image_data import ImageData, Part
from hwnas.training.sources import Source
from hwnas.training.splitting import fair_order


def _counts(part: Part, classes: int) -> torch.Tensor:
    return torch.bincount(part.labels, minlength=classes)


def _rows(*parts: Part) -> set[bytes]:
    return {image.numpy().tobytes() for part in parts for image in part.images}


def test_digits() -> None:
    data = load_data()
    assert (data.name, data.input_shape, data.classes) == ("digits", (1, 8, 8), 10)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1079, 359, 359]
    for part in (data.train, data.validation, data.test):
        counts = _counts(part, 10)
        # As many of each digit as there are: 174 to 183 of the whole.
        assert int(counts.max() - counts.min()) <= 0.06 * len(part) / 10 + 4
    assert not data.augmentation.flip


def test_parts_share_no_image() -> None:
    part = made_up_part(200)
    data = divided("made-up", Source(part, ("a", "b", "c"), Augmentation()))
    assert len(_rows(data.train, data.validation, data.test)) == len(_rows(part)) == 200


def test_the_seed_alone_divides() -> None:
    first, again, other = (load_data(seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    assert torch.equal(first.test.images, again.test.images)
    with pytest.raises(UsageError, match="seed -1"):
        load_data(seed=-1)


def test_normalisation_knows_the_training_images_alone() -> None:
    data = load_data()
    pixels = data.normalised(data.train.images)
    assert pixels.dtype == torch.float32
    assert pixels.mean().abs() < 1e-4
    assert (pixels.std() - 1).abs() < 1e-3
    assert data.mean == pytest.approx([float(data.train.images.double().mean())])
    assert data.deviation == pytest.approx([float(data.train.images.double().std())], rel=1e-3)
    brighter = ImageData(
        "", data.train, Part(data.validation.images + 9, data.validation.labels), data.test, ()
    )
    assert brighter.mean == data.mean


def test_channels_are_normalised_apart_and_silent_ones_stay_finite() -> None:
    images = torch.zeros(30, 2, 4, 4, dtype=torch.uint8)
    images[:, 0] = torch.randint(0, 256, (30, 4, 4), generator=torch.Generator().manual_seed(0))
    part = Part(images, torch.arange(30) % 2)
    data = divided("made-up", Source(part, ("a", "b"), Augmentation()))
    pixels = data.normalised(data.train.images)
    assert not pixels[:, 1].any()
    assert (pixels[:, 0].std() - 1).abs() < 0.01


@given(st.lists(st.integers(5, 40), min_size=2, max_size=6), st.integers(0, 99), st.floats(0.2, 0.8))
def test_any_first_few_hold_each_classs_share(sizes: list[int], seed: int, share: float) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    order = fair_order(labels, seed)
    assert order.sort().values.tolist() == list(range(len(labels)))
    first = torch.bincount(labels[order[: round(share * len(labels))]], minlength=len(sizes))
    for found, size in zip(first.tolist(), sizes, strict=True):
        assert abs(found - share * size) <= 2


def test_a_class_needs_an_image_in_every_part() -> None:
    part = made_up_part(60)
    few = part.take(torch.cat([torch.arange(57)[part.labels[:57] != 2], torch.tensor([2])]))
    with pytest.raises(
        UsageError, match=r"class c of made-up has too few images: 1 in all, none for t"
    ) as caught:
        divided("made-up", Source(few, ("a", "b", "c"), Augmentation()))
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="too few images"):
        divided("made-up", Source(made_up_part(4), ("a", "b", "c"), Augmentation()))
    with pytest.raises(UsageError, match=r"has 1 class"):
        divided("made-up", Source(made_up_part(60, classes=1), ("a",), Augmentation()))


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean digits"):
        load_data("digit")
    with pytest.raises(UnknownName, match="fashion-mnist"):
        load_data("fashion_mnist:here")


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("digits:here", None, "digits take no folder"),
        ("digits", 16, "have a size of their own, not 16"),
        ("fashion-mnist:.", 16, "have a size of their own, not 16"),
        ("cifar10:.", 16, "have a size of their own, not 16"),
        ("fashion-mnist", None, "Write fashion-mnist:FOLDER"),
        ("cifar10", None, "Write cifar10:FOLDER"),
        ("folder", None, "Write folder:FOLDER"),
        ("fashion-mnist:no/where", None, "no folder 'no/where'"),
        ("cifar10:no/where", None, "no folder 'no/where'"),
        ("folder:no/where", None, "no folder 'no/where'"),
        ("folder:~no-such-user/images", None, "cannot look at"),
        ("folder:.", 7, "image size 7"),
        ("folder:\0", None, r"no folder '.x00'|cannot look at"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(name: str, size: int | None, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load_data(name, image_size=size)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compressed", [True, False])
def test_fashion_mnist(tmp_path: Path, compressed: bool) -> None:
    folder = write_fashion_mnist(tmp_path / "files", 100, 20, compressed=compressed)
    data = load_data(f"fashion-mnist:{folder}")
    assert data.input_shape == (1, 28, 28)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [80, 20, 20]
    # The authors' own test images, in their order.
    assert torch.equal(data.test.images, made_up_part(20, classes=10, side=28).images)
    assert data.class_names[9] == "ankle boot"
    assert data.augmentation.flip


def _labels(values: list[int]) -> bytes:
    return idx_bytes(torch.tensor(values, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("train-images-idx3-ubyte", None, "neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"),
        ("t10k-labels-idx1-ubyte", None, "neither t10k-labels-idx1-ubyte nor"),
        ("t10k-labels-idx1-ubyte", _labels([0, 1]), "20 images, but"),
        ("t10k-labels-idx1-ubyte", _labels([10] * 20), "the label 10"),
        ("t10k-labels-idx1-ubyte", _labels([3] * 20), "class T-shirt/top .* none for test"),
        ("train-labels-idx1-ubyte", idx_bytes(torch.zeros(2, 2)), "not an IDX file of bytes in 1 dimension"),
        ("t10k-images-idx3-ubyte", idx_bytes(torch.zeros(20, 9, 9)), "different sizes"),
        ("t10k-images-idx3-ubyte", b"\0\0\x08\x03", "ends within its header"),
    ],
)
def test_files_of_fashion_mnist_that_do_not_fit(
    tmp_path: Path, name: str, data: bytes | None, words: str
) -> None:
    folder = write_fashion_mnist(tmp_path, 100, compressed=False)
    if data is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data)
    with pytest.raises(UsageError, match=words) as caught:
        load_data(f"fashion-mnist:{folder}")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the form of CIFAR-10, with few images, which torchvision takes for the published one."""
    import torchvision

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict[str, object]) -> list[str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def batch(name: str, count: int, seed: int) -> list[str]:
        part = made_up_part(count, classes=10, side=32, channels=3, seed=seed)
        rows = part.images.reshape(count, -1).numpy()
        return write(name, {"data": rows, "labels": part.labels.tolist()})

    names = write("batches.meta", {"label_names": [f"kind{n}" for n in range(10)]})
    known = torchvision.datasets.CIFAR10
    monkeypatch.setattr(known, "train_list", [batch("data_batch_1", 100, 0)])
    monkeypatch.setattr(known, "test_list", [batch("test_batch", 20, 1)])
    monkeypatch.setattr(known, "meta", {"filename": names[0], "key": "label_names", "md5": names[1]})
    return tmp_path


def test_cifar10(cifar: Path) -> None:
    for folder in (cifar, cifar / "cifar-10-batches-py"):
        data = load_data(f"cifar10:{folder}")
        assert (data.input_shape, data.classes) == ((3, 32, 32), 10)
        assert [len(part) for part in (data.train, data.validation, data.test)] == [80, 20, 20]
        assert torch.equal(data.test.images, made_up_part(20, 10, 32, 3, seed=1).images)
        assert data.class_names[3] == "kind3"


def test_cifar10_is_neither_read_in_another_form_nor_downloaded(cifar: Path) -> None:
    (cifar / "cifar-10-batches-py" / "test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UsageError, match="cannot be read: RuntimeError: Dataset not found or corrupted"):
        load_data(f"cifar10:{cifar}")
    with pytest.raises(UsageError, match=re.escape("Give the folder that holds cifar-10-batches-py")):
        load_data(f"cifar10:{cifar / 'cifar-10-batches-py' / '..' / '..'}")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes images of classes into a folder of their own."""

    def write_images(under: str = "", count: int = 10, names: tuple[str, ...] = ("cat", "dog")) -> Path:
        for label, name in enumerate(names):
            folder = tmp_path / under / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = np.full((20, 30, 3), 100 * label + number, dtype=np.uint8)
                pixels[:, :5] = 255
                pixels[:, -5:] = 0
                Image.fromarray(pixels).save(folder / f"{number}.png")
        return tmp_path

    return write_images


def test_a_folder_of_classes(write: Callable[..., Path]) -> None:
    folder = write()
    data = load_data(f"folder:{folder}", image_size=16)
    assert (data.input_shape, data.class_names) == ((3, 16, 16), ("cat", "dog"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 4, 4]
    # The square in the middle, so that neither margin is seen.
    for image, label in zip(data.train.images, data.train.labels, strict=True):
        assert image.unique().numel() == 1
        assert image.flatten()[0] // 100 == label
    assert load_data(f"folder:{folder}").input_shape == (3, 64, 64)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_folder_that_is_divided(write: Callable[..., Path], name: str) -> None:
    write("train", 6)
    write(name, 2)
    folder = write("test", 3)
    data = load_data(f"folder:{folder}", image_size=8)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 4, 6]


def test_a_class_may_be_called_train(write: Callable[..., Path]) -> None:
    data = load_data(f"folder:{write(names=('train', 'tram'))}", image_size=8)
    assert data.class_names == ("train", "tram")


def test_folders_that_cannot_be_used(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="cannot be read: FileNotFoundError"):
        load_data(f"folder:{tmp_path}")
    write("train", 6)
    write("test", 2, ("cat", "cow"))
    with pytest.raises(UsageError, match="has other classes than"):
        load_data(f"folder:{tmp_path}")
    broken = tmp_path / "train" / "cat" / "3.png"
    broken.write_bytes(broken.read_bytes()[:70])
    with pytest.raises(UsageError, match=re.escape(f"{broken} cannot be read")):
        load_data(f"folder:{tmp_path}")
    monkeypatch.setattr("hwnas.training.memory.available_memory_bytes", lambda: 10_000)
    with pytest.raises(
        UsageError, match=r"take .* at 64x64, and 9\.77 KiB of memory are left.* smaller image size"
    ):
        load_data(f"folder:{tmp_path}")


def test_a_folder_that_may_not_be_looked_into_is_one_line(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(names=("train", "tram"))
    load_data(f"folder:{folder}", image_size=8)

    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(UsageError, match=r"cannot be read: PermissionError.*Permission denied") as caught:
        load_data(f"folder:{folder}")
    assert "\n" not in str(caught.value)
