"""How many model files with a changed bit are loaded, and give other tractions.

    python benchmarks/damaged_models.py [-n FLIPS] [--seed SEED]

In each copy of a file, one bit at a random place is changed. The file of the bundled
network is used, and small networks in the formats of other work, with random weights.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models import load
from napari_vit_tfm.models.cnn import UNet
from napari_vit_tfm.models.original import OriginalViT, OriginalViTConfig

_SIDE = 104
_OUTCOMES = ("refused", "same tractions", "other tractions", "another error")


def _original() -> OriginalViT:
    return OriginalViT(
        OriginalViTConfig(
            width=64,
            depth=4,
            heads=4,
            hidden=128,
            patch=8,
            side=_SIDE // 8,
            form="convolutional",
            qkv_bias=True,
        )
    )


def _write_keras(path: Path, network: UNet) -> None:
    """Write a network as Keras does, kernels as (height, width, in, out)."""
    numbers = {f"encoder.{i}": 2 * i + 2 for i in range(3)}
    numbers |= {"bottom": 8} | {f"decoder.{i}": 2 * i + 10 for i in range(3)}
    layers: dict[str, nn.Module] = {}
    for part, number in numbers.items():
        layers[f"conv2d_{number}"] = network.get_submodule(f"{part}.conv")
        layers[f"batch_normalization_{number}"] = network.get_submodule(f"{part}.norm")
    for i in range(3):
        layers[f"conv2d_transpose_{i + 1}"] = network.get_submodule(f"up.{i}")
    layers["conv2d_15"] = network.output
    names = {"weight": "kernel", "bias": "bias"}
    of_norms = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    with h5py.File(path, "w") as file:
        for name, layer in layers.items():
            group = file.create_group(f"model_weights/{name}/{name}")
            known = of_norms if isinstance(layer, nn.BatchNorm2d) else names
            for ours, theirs in known.items():
                values: Tensor = getattr(layer, ours).detach()
                if values.ndim == 4:
                    values = values.permute(2, 3, 1, 0)
                group[f"{theirs}:0"] = values.contiguous().numpy()


def model_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write one file of each format; with what it is."""
    torch.manual_seed(0)
    with as_file(files("napari_vit_tfm") / "weights" / "vit.safetensors") as bundled:
        path = folder / "vit.safetensors"
        path.write_bytes(bundled.read_bytes())
    yield "network of this project (.safetensors)", path
    found = {"best_model_weights": _original().state_dict()}
    for name, zipped in (("present form", True), ("earlier form", False)):
        path = folder / f"{'new' if zipped else 'old'}.pth"
        torch.save(found, path, _use_new_zipfile_serialization=zipped)
        yield f"original checkpoint, {name} (.pth)", path
    path = folder / "cnn.h5"
    _write_keras(path, UNet((10, 20, 40), 160))
    yield "published CNN (.h5)", path


def outcome(path: Path, field: Tensor, expected: Tensor) -> str:
    """What comes of loading a file."""
    try:
        method = load(path)
        with torch.inference_mode():
            found = method.traction(field)
    except ModelError:
        return "refused"
    except Exception as error:
        print(f"{path.name}: {type(error).__name__}: {error}")
        return "another error"
    same = torch.equal(found, expected)
    return "same tractions" if same else "other tractions"


def main() -> None:
    """Print a table with a row for each format."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=100, help="changed files per format")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    print("| file | " + " | ".join(_OUTCOMES) + " |")
    print("|---" + "|---:" * len(_OUTCOMES) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in model_files(Path(folder)):
            content = path.read_bytes()
            field = 1e-3 * torch.randn(1, 2, _SIDE, _SIDE)
            with torch.inference_mode():
                expected = load(path).traction(field)
            counts: Counter[str] = Counter()
            for number in range(arguments.n):
                changed = bytearray(content)
                changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
                copy = path.with_name(f"{number}{path.suffix}")
                copy.write_bytes(changed)
                counts[outcome(copy, field, expected)] += 1
                copy.unlink()
            cells = " | ".join(str(counts[one]) for one in _OUTCOMES)
            print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
