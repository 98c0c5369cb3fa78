from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.models.methods.fttc import FTTCMethod
from napari_vit_tfm.notices import FrameNotices


def noisy(n_frames: int) -> npt.NDArray[np.float64]:
    data = np.random.default_rng(0).normal(size=(n_frames, 24, 24, 2))
    return data - data.mean(axis=(1, 2), keepdims=True)


def told(
    data: npt.NDArray[np.float64],
    batch: int,
    method: ReconstructionMethod | None = None,
) -> tuple[list[str], list[str]]:
    """What is told during a run, and at its end."""
    stack, notices = (
        DisplacementStack(data, unit="grid"),
        FrameNotices(method or FTTCMethod()),
    )
    during = [
        sentence
        for start in range(0, len(data), batch)
        for sentence in notices.add(
            stack.part(start, min(start + batch, len(data))), start
        )
    ]
    return during, list(notices.totals())


def test_nothing_is_told_about_fields_as_they_should_be() -> None:
    assert told(noisy(4), 2) == ([], [])


def test_a_drift_is_told_when_it_is_met_and_again_if_it_grows() -> None:
    data = noisy(6)
    data[1] += [30.0, 40.0]
    data[3] += [0.0, 20.0]
    during, totals = told(data, 2)
    assert len(during) == 1
    assert "a drift of up to 50 grid steps" in during[0]
    assert totals == []
    data[5] += [0.0, 90.0]
    during, totals = told(data, 2)
    assert len(during) == 1
    assert "a drift of up to 50 grid steps" in during[0]
    assert len(totals) == 1
    assert "a drift of up to 90 grid steps" in totals[0]
    # All of it at once is told once.
    during, totals = told(data, 6)
    assert "up to 90" in during[0]
    assert totals == []


def test_unknown_noise_is_counted_over_all_batches() -> None:
    data = noisy(6)
    data[[1, 4, 5]] = 0
    data[[1, 4, 5], :3, :3, 0] = 1.0
    during, totals = told(data, 2)
    assert len(during) == 1
    assert (
        "the noise of 1 of 2 frames cannot be estimated (first: frame 1)" in (during[0])
    )
    assert len(totals) == 1
    assert (
        "the noise of 3 of 6 frames cannot be estimated (first: frame 1)" in (totals[0])
    )


def test_frames_that_come_again_do_not_count_again() -> None:
    data = noisy(4)
    data[:] = 0
    data[:, :3, :3, 0] = 1.0
    stack, notices = DisplacementStack(data, unit="grid"), FrameNotices(FTTCMethod())
    list(notices.add(stack.part(0, 3), 0))
    list(notices.add(stack.part(0, 1), 0))
    list(notices.add(stack.part(2, 4), 2))
    (total,) = notices.totals()
    assert "the noise of 4 of 4 frames" in total
