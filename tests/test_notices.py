from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.displacement.checks import check_frame
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.models.methods.fttc import FTTCMethod
from napari_vit_tfm.notices import FrameNotices, grid_notices
from napari_vit_tfm.reconstruction import load_method
from napari_vit_tfm.trust.gauge import NOT_JUDGED, Familiarity, familiarity_records


def noisy(n_frames: int) -> npt.NDArray[np.float64]:
    data = np.random.default_rng(0).normal(0, 0.1, size=(n_frames, 24, 24, 2))
    return data - data.mean(axis=(1, 2), keepdims=True)


def told(
    data: npt.NDArray[np.float64],
    batch: int,
    topic: str = "",
) -> tuple[list[str], ...]:
    """What is told about a topic during a run, and at its end."""
    stack = DisplacementStack(data, unit="grid")
    notices, during = FrameNotices(FTTCMethod(), stack), []
    for number, field in enumerate(stack.data):
        notices.add(number, check_frame(field))
        if (number + 1) % batch == 0:
            during += notices.new()
    told = during, list(notices.totals())
    return tuple([x for x in part if topic in x] for part in told)


def test_nothing_is_told_about_fields_as_they_should_be() -> None:
    assert told(noisy(4), 2) == ([], [])


def test_a_drift_is_told_when_it_is_met_and_again_if_it_grows() -> None:
    data = noisy(6)
    data[1] += [30.0, 40.0]
    data[3] += [0.0, 20.0]
    during, totals = told(data, 2)
    assert len(during) == 1
    assert "a drift of up to 50" in during[0]
    assert totals == []
    data[5] += [0.0, 90.0]
    during, totals = told(data, 2)
    assert len(during) == 1
    assert "a drift of up to 50" in during[0]
    assert len(totals) == 1
    assert "a drift of up to 90" in totals[0]
    # Two numbers about the same thing: it is said which one is that of the film.
    assert totals[0].startswith("all frames together: ")
    assert not during[0].startswith("all frames together: ")
    # All of it at once is told once.
    during, totals = told(data, 6)
    assert "up to 90" in during[0]
    assert totals == []


def test_unknown_noise_is_counted_over_all_batches() -> None:
    data = noisy(6)
    data[[1, 4, 5]] = 0
    data[[1, 4, 5], :3, :3, 0] = 1.0
    during, totals = told(data, 2, "noise")
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
    stack = DisplacementStack(data, unit="grid")
    notices = FrameNotices(FTTCMethod(), stack)
    for number in (0, 1, 2, 0, 2, 3):
        notices.add(number, check_frame(stack.data[number]))
    assert any("the noise of 4 of 4 frames" in total for total in notices.totals())


def test_counts_tell_whether_they_are_of_the_grid_before_binning() -> None:
    data = noisy(3)
    data[0, 2:4, 3:9] = np.nan
    stack = DisplacementStack(data, unit="grid")

    def said(bin_size: int) -> str:
        preparation = PreparationConfig(bin_size=bin_size)
        notices = FrameNotices(FTTCMethod(), stack, preparation)
        for number, field in enumerate(stack.data):
            notices.add(number, check_frame(field))
        notices.add_left_out(1, 0.4)
        return "\n".join(notices.totals())

    assert "binning" not in said(1)
    assert "12 vectors in frame 0 are missing and bridged smoothly" in said(1)
    before, after = "before binning, 12 vectors in frame 0 are", "missing after binning"
    assert before in said(2)
    assert "bins with fewer than half of their vectors are bridged" in said(2)
    assert after in said(2)


@pytest.mark.parametrize("reverse", [False, True])
def test_tractions_that_point_outwards_after_a_reversal(reverse: bool) -> None:
    stack = DisplacementStack(noisy(1), unit="grid")
    notices = FrameNotices(FTTCMethod(), stack, PreparationConfig(reverse=reverse))
    notices.add(0, check_frame(stack.data[0]))
    y, x = np.indices((24, 24)) - 11.5
    notices.add_tractions(0, TractionStack(np.stack([x, y], axis=-1)))
    (said,) = [text for text in notices.totals() if "point outwards" in text]
    assert ("do not use Reverse" in said) == reverse


@pytest.mark.parametrize("side", [5, 16, 24])
def test_the_regularisation_of_small_fields(side: int) -> None:
    small = DisplacementStack(np.ones((1, side, 32, 2)), unit="grid")

    def is_said(model: str, **options: float) -> bool:
        config = ReconstructionConfig(model=model, options=options)
        notices = grid_notices(small, load_method(config))
        return any("may be much too weak" in notice for notice in notices)

    assert is_said("fttc") == (side < 12)
    assert not is_said("fttc", regularisation=1.0)
    assert is_said("bayesian-fttc") == (side < 12)


def judged(*frames: Familiarity) -> TractionStack:
    """Tractions that the gauge has judged."""
    data = np.zeros((len(frames), 8, 8, 2))
    return TractionStack(data, unit="1", records=familiarity_records(frames))


def test_unfamiliar_frames_are_told_once_with_the_reason() -> None:
    notices = FrameNotices(FTTCMethod(), DisplacementStack(noisy(4), unit="grid"))
    good, bad = Familiarity(-2.0, "layer"), Familiarity(1.0, "linear")
    notices.add_tractions(0, judged(good, NOT_JUDGED))
    assert list(notices.new()) == []
    notices.add_tractions(2, judged(bad))
    told = list(notices.new())
    assert len(told) == 1
    assert told[0].startswith(
        "1 of 3 frames is unlike the fields that fttc was trained"
    )
    assert "frame 2, where the whole field is sheared" in told[0]
    notices.add_tractions(3, judged(bad))
    assert list(notices.new()) == []
    assert [text.partition(" unlike")[0] for text in notices.totals()] == [
        "all frames together: 2 of 4 frames are"
    ]
