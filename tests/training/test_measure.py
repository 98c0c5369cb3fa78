"""What is measured is what is trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_vit_tfm.training import TrainingConfig
from napari_vit_tfm.training.data import TrainingFields
from napari_vit_tfm.training.measure import _MATMUL_SIDES, measure

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*", "ignore:.*does not have many workers.*"
)


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_MATMUL_SIDES, "cpu", 64)


def test_every_rate_is_there(tiny: TrainingConfig) -> None:
    before = torch.get_float32_matmul_precision()
    found = measure(replace(tiny, precision="bf16-mixed"), steps=3, device="cpu")
    assert torch.get_float32_matmul_precision() == before
    values = found.to_dict()
    rates = values["fields_per_second"]
    assert min(rates.values()) > 0
    assert values["device"].startswith("cpu")
    assert (values["steps"], values["batch_size"]) == (3, 2)
    assert set(values["matmul_flops"]) == {"float32", "bfloat16"}
    for name, rate in values["matmul_flops"].items():
        share = values["share_of_matmul"][name]
        assert share == pytest.approx(values["training_flops"] / rate)


def operations(shape: tuple[int, int]) -> int:
    """Of two fields, forwards and backwards, by hand."""
    half, tokens = shape[0] * shape[1] // 4, shape[0] * shape[1] // 64
    maps, width = 8, 16
    decoder = 4 * 15 * maps + 12 * maps + 2 * maps**2 + 28 * maps
    refinement = 4 * 17 * maps + 2 * maps**2 + 16 * maps
    convolutions = half * 9 * (decoder + refinement)
    embedding = tokens * (16 * maps * width + 9 * width + 16 * width * maps // 2)
    block = tokens * (4 + 2) * width**2 + 2 * tokens**2 * width
    forward = 2 * 2 * (convolutions + embedding + block)
    # The gradient costs twice as much; but the first layer's input needs none.
    first = 2 * 2 * half * 9 * 4 * 15 * maps
    return 3 * forward - first


def test_the_operations_are_counted_by_hand(tiny: TrainingConfig) -> None:
    shapes = ((24, 32), (48, 64))
    config = replace(tiny, kinds=(replace(tiny.kinds[0], shapes=shapes),))
    found = measure(config, steps=4, device="cpu")
    seconds = found.steps * found.batch_size / found.training
    # After one batch to warm up.
    drawn = [TrainingFields(config).batch(number).shape for number in range(1, 5)]
    assert set(drawn) == set(shapes)
    expected = sum(map(operations, drawn))
    # Torch takes a depthwise convolution's gradient for that of a full one.
    assert found.flops * seconds == pytest.approx(expected, rel=0.02)
