"""Quantities of a stack that comes in batches."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_vit_tfm.config import QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.quantities import Measurement, Recorder, measure
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import synthesise


def test_batches_give_the_rows_of_the_whole_stack() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(3, 16, 20, 2)).astype(np.float32)
    labels = np.zeros((3, 16, 20), dtype=int)
    labels[0, 4:9, 4:9] = 2
    labels[2, 5:9, 8:14] = 1  # no cell in the second frame
    stack = TractionStack(data, unit="Pa", spacing_um=1.0)
    recorder = Recorder(QuantitiesConfig(), n_frames=3, labels=labels)
    numbers = []
    for frame in range(3):
        (cells,) = recorder.add(TractionStack(data[frame], unit="Pa", spacing_um=1.0))
        numbers.append([(cell.frame, cell.number) for cell in cells])
    assert numbers == [[(0, 2)], [], [(2, 1)]]
    (note,) = [note for note in recorder.notes() if "not in every frame" in note]
    assert note.endswith("cell 1 in frames 0 to 1; cell 2 in frames 1 to 2")
    expected = list(measure(stack, Measurement(labels=labels)))
    assert [(row.frame, row.cell) for row in recorder.rows] == [(0, 2), (2, 1)]
    for found, row in zip(recorder.rows, expected, strict=True):
        assert (found.frame, found.cell, found.flags) == (
            row.frame,
            row.cell,
            row.flags,
        )
        assert dict(found.values) == pytest.approx(dict(row.values), nan_ok=True)


def test_a_mask_without_cells_is_refused_at_once() -> None:
    with pytest.raises(FieldError, match="no cell"):
        Recorder(QuantitiesConfig(), n_frames=1, labels=np.zeros((8, 8), dtype=int))


def test_intervals_of_later_frames_are_not_denied() -> None:
    fields = synthesise(1, seed=0, shape=(48, 48))
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1 * displacement.data.std(), displacement.data.shape)
    film = np.concatenate([np.zeros_like(displacement.data), displacement.data + noise])
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu", uncertainty=True)
    found = reconstruct(displacement.with_data(film), config=config)
    recorder = Recorder(QuantitiesConfig(), n_frames=2)

    def is_denied() -> bool:
        return any("intervals" in note for note in recorder.notes())

    recorder.add(found.part(0, 1))
    assert is_denied()
    recorder.add(found.part(1, 2))
    assert recorder.rows[1].intervals
    assert not is_denied()


@pytest.mark.parametrize("with_changes", [False, True])
def test_only_numbers_are_kept_of_a_frame(with_changes: bool) -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((64, 64), dtype=int)
    labels[20:40, 20:40] = 1
    recorder = Recorder(
        QuantitiesConfig(),
        n_frames=11,
        labels=labels,
        with_adhesions=True,
        with_changes=with_changes,
    )

    def add(n_frames: int) -> None:
        data = rng.normal(size=(n_frames, 64, 64, 2))
        data[:, 24:28, 24:28] += 20
        recorder.add(TractionStack(data, unit="Pa", spacing_um=0.5))

    add(1)
    tracemalloc.start()
    try:
        add(10)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(recorder.adhesions) >= 11
    # The tractions of a frame have 33 kB. Changes need the cells of the last frame.
    of_last_frame = 250_000 if with_changes else 0
    assert kept < 10 * 15_000 + of_last_frame
