"""Stacks in, tractions out: units, grids, batches, callbacks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from echo import CPU, Echo, random_stack
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.displacement import checks, prepare
from napari_vit_tfm.errors import Cancelled, FieldError
from napari_vit_tfm.fields import DisplacementStack, DisplacementStream
from napari_vit_tfm.gel import REFERENCE_GEL, Gel
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.reconstruction import (
    reconstruct,
    reconstruct_batches,
    reconstruct_to_file,
    run,
)
from napari_vit_tfm.synthesis import synthesise
from napari_vit_tfm.trust.assessment import Assessment


def test_known_traction_comes_back_in_pascal_whatever_the_unit() -> None:
    discs = synthesise(2, seed=1)
    young_pa, spacing_um = 8000.0, 0.6
    width = 103 * spacing_um
    forms = [
        DisplacementStack(discs.displacement, unit="field"),
        DisplacementStack(discs.displacement * 103, unit="grid"),
        DisplacementStack(discs.displacement * width, unit="um", spacing_um=spacing_um),
        DisplacementStack(
            discs.displacement * width / 0.2,
            unit="px",
            spacing_um=spacing_um,
            pixel_size_um=0.2,
        ),
    ]
    truth = discs.traction * young_pa
    found = [
        reconstruct(stack, substrate=Substrate(Gel(young_pa)), config=CPU)
        for stack in forms
    ]
    for traction in found:
        assert traction.unit == "Pa"
        assert traction.data.dtype == np.float32
        np.testing.assert_allclose(traction.data, found[0].data, rtol=1e-3, atol=0.5)
        error = np.square(traction.data - truth).sum() / np.square(truth).sum()
        assert error < 0.25
    assert found[2].spacing_um == spacing_um


def test_without_young_s_modulus_it_is_a_ratio() -> None:
    stack = random_stack()
    ratio = reconstruct(stack, config=CPU)
    pascal = reconstruct(stack, substrate=Substrate(Gel(young_pa=2000.0)), config=CPU)
    assert ratio.unit == "1"
    assert ratio.gel == REFERENCE_GEL
    np.testing.assert_allclose(pascal.data, 2000 * ratio.data, rtol=1e-5)


def test_without_a_substrate_it_is_the_gel_that_is_known() -> None:
    stack = random_stack()
    gel = Gel(young_pa=2000.0, poisson=0.4)
    known = dataclasses.replace(stack, gel=gel)
    found = reconstruct(known, config=CPU)
    expected = reconstruct(stack, substrate=Substrate(gel), config=CPU)
    assert found.unit == "Pa"
    assert found.gel == expected.gel
    np.testing.assert_array_equal(found.data, expected.data)


def rounded_discs(n: int = 2) -> np.ndarray:
    """Discs in grid steps, rounded, so that adding a drift to them loses nothing."""
    steps = synthesise(n, seed=1, shape=(40, 56)).displacement * 55
    return np.round(steps * 2**12) / 2**12


def about(topic: str, notices: list[str]) -> list[str]:
    return [notice for notice in notices if topic in notice]


@pytest.mark.parametrize(
    "gel",
    [
        Substrate(),
        Substrate(Gel(poisson=0.3)),
        Substrate(Gel(5000.0, 0.45, 3.0)),
    ],
)
@pytest.mark.parametrize("model", registered_methods())
def test_a_drift_makes_no_traction_and_is_kept(model: str, gel: Substrate) -> None:
    still = rounded_discs()
    longest = np.ceil(np.hypot(still[..., 0], still[..., 1]).max())
    drift = 50 * longest * np.array([[1.0, 0.0], [-0.75, 1.25]])
    config = ReconstructionConfig(model=model, device="cpu")
    notices: list[str] = []
    before, after = (
        reconstruct(
            DisplacementStack(data, unit="um", spacing_um=0.5),
            substrate=gel,
            config=config,
            on_notice=notices.append,
        )
        for data in (still * 0.5, (still + drift[:, None, None]) * 0.5)
    )
    (notice,) = about("drift", notices)
    assert notice.startswith("subtracted a drift of up to")
    size = np.abs(before.data).max()
    np.testing.assert_allclose(after.data, before.data, atol=1e-5 * size)
    assert before.drift is not None
    assert after.drift is not None
    np.testing.assert_allclose(before.drift, still.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(after.drift - before.drift, drift, atol=1e-6)


@pytest.mark.parametrize("model", registered_methods())
@pytest.mark.parametrize(
    "gel", [Substrate(), Substrate(Gel(poisson=0.3, thickness_um=9.0))]
)
def test_zeros_and_a_mere_drift_have_no_traction(model: str, gel: Substrate) -> None:
    data = np.zeros((2, 33, 40, 2), dtype=np.float32)
    data[1] = [0.1, -123.456]
    config = ReconstructionConfig(model=model, device="cpu")
    notices: list[str] = []
    found = reconstruct(
        DisplacementStack(data, unit="grid", spacing_um=0.7),
        substrate=gel,
        config=config,
        on_notice=notices.append,
    )
    assert not found.data.any()
    np.testing.assert_array_equal(found.drift, data[:, 0, 0])
    moved, drifted = notices
    assert "nothing moved" in moved
    assert "drift of up to 123 grid steps without any other" in drifted


def test_a_published_method_gets_the_drift_and_that_is_said() -> None:
    still, notices = rounded_discs(), []
    still -= still.mean(axis=(1, 2), keepdims=True)
    drift = np.array([[0.0, 0.0], [30.0, -40.0]])[:, None, None]
    stack = DisplacementStack(still + drift, unit="grid")
    seen = reconstruct(stack, config=CPU, method=Echo(), on_notice=notices.append)
    np.testing.assert_allclose(seen.data * 55, stack.data, rtol=1e-6)
    assert seen.drift is None
    (notice,) = about("drift", notices)
    assert notice.startswith("the field has a drift of up to 50")
    assert "which echo may interpret as traction" in notice
    assert "times the remaining field" in notice
    assert "--remove-drift" in notice


def test_the_drift_that_is_told_is_the_largest_of_those_that_are_notable() -> None:
    rng, notices = np.random.default_rng(0), []
    data = rng.normal(size=(3, 20, 20, 2))
    # The last one's mean is the longest, but no longer than the rest of its field.
    data[0] += [0.0, 6.0]
    data[1] += [-9.0, 12.0]
    data[2] = 30 * data[2] + [40.0, 0.0]
    stack = DisplacementStack(data, unit="grid")
    reconstruct(stack, config=CPU, method=Echo(), on_notice=notices.append)
    (notice,) = about("drift", notices)
    assert "a drift of up to 15" in notice


def test_a_drift_that_grows_in_later_batches_is_told_again_at_the_end() -> None:
    notices: list[tuple[int, str]] = []
    done = [0]
    data = np.random.default_rng(0).normal(size=(6, 20, 20, 2))
    data[1] += [0.0, 20.0]
    data[2] += [0.0, 30.0]
    data[4] += [0.0, 40.0]
    reconstruct(
        DisplacementStack(data, unit="grid"),
        config=CPU,
        method=Echo(),
        on_progress=lambda n, _total: done.append(n),
        on_notice=lambda notice: notices.append((done[-1], notice)),
    )
    (first, during), (last, total) = (
        (n, notice) for n, notice in notices if "drift" in notice
    )
    assert (first, last) == (0, 6)
    assert "a drift of up to 20" in during
    assert "a drift of up to 40" in total


def test_forces_that_do_not_balance_are_no_drift() -> None:
    notices: list[str] = []
    stack = DisplacementStack(synthesise(100, seed=1).displacement, unit="field")
    reconstruct(stack, config=CPU, method=Echo(), on_notice=notices.append)
    assert about("drift", notices) == []


def test_batches_progress_and_metadata() -> None:
    method, calls = Echo(), []
    stack = random_stack(5)
    traction = reconstruct(
        stack,
        substrate=Substrate(Gel(poisson=0.49)),
        config=CPU,
        method=method,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert method.batches == [2, 2, 1]
    assert calls == [(2, 5), (4, 5), (5, 5)]
    np.testing.assert_allclose(traction.data, stack.data, rtol=1e-6)
    assert (traction.model, traction.gel.poisson) == ("echo", 0.49)


class Watched:
    """A source that gives no more than some frames at a time."""

    def __init__(self, stack: DisplacementStack, most: int) -> None:
        self.stack, self.most = stack, most
        self.read: list[tuple[int, int]] = []

    @property
    def n_frames(self) -> int:
        return self.stack.n_frames

    @property
    def grid_shape(self) -> tuple[int, int]:
        return self.stack.grid_shape

    def frames(self, start: int, stop: int) -> np.ndarray:
        assert stop - start <= self.most
        self.read.append((start, stop))
        return self.stack.frames(start, stop)


def test_batches_have_the_prepared_displacements_and_frames_are_checked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = synthesise(3, seed=0, shape=(32, 40))
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
    displacement.data[1, 4, 5] = np.nan
    preparation = PreparationConfig(remove_drift=True, bin_size=2)
    expected = prepare(displacement, preparation)
    assert isinstance(expected, DisplacementStack)
    checked: list[int] = []
    check = checks.check_frame

    def count(field: np.ndarray) -> checks.FrameChecks:
        checked.append(1)
        return check(field)

    monkeypatch.setattr("napari_vit_tfm.displacement.preparation.check_frame", count)
    batches = list(
        reconstruct_batches(
            displacement,
            config=ReconstructionConfig(model="fttc", device="cpu", batch_size=2),
            preparation=preparation,
        )
    )
    assert [batch.displacement.n_frames for batch in batches] == [2, 1]
    for batch in batches:
        same = expected.part(batch.start, batch.stop)
        np.testing.assert_array_equal(batch.displacement.data, same.data)
        assert batch.displacement.spacing_um == same.spacing_um == 1.0
    assert len(checked) == 3


@pytest.mark.parametrize("model", registered_methods())
def test_a_stream_is_read_batch_by_batch_with_the_same_result(model: str) -> None:
    stack = DisplacementStack(rounded_discs(5), unit="um", spacing_um=0.5)
    source = Watched(stack, 2)
    stream = DisplacementStream(source, unit="um", spacing_um=0.5)
    config = ReconstructionConfig(model=model, device="cpu", batch_size=2)
    gel = Substrate(Gel(900.0, 0.4, 30.0))
    whole = reconstruct(stack, config=config, substrate=gel)
    streamed = reconstruct(stream, config=config, substrate=gel)
    assert source.read == [(0, 2), (2, 4), (4, 5)]
    np.testing.assert_array_equal(streamed.data, whole.data)
    np.testing.assert_array_equal(streamed.drift, whole.drift)
    for name in ("unit", "spacing_um", "gel", "model", "model_sha256"):
        assert getattr(streamed, name) == getattr(whole, name)


def with_nan(stack: DisplacementStack) -> DisplacementStack:
    data = stack.data.copy()
    data[3, 2, 1, 0] = np.nan
    return DisplacementStack(data, unit="field")


def test_a_hole_stops_no_film_and_is_nan_in_the_result() -> None:
    stack, notices = with_nan(random_stack()), []
    whole = reconstruct(random_stack(), config=CPU, method=Echo())
    stream = DisplacementStream(Watched(stack, 2), unit="field")
    for displacement in (stack, stream):
        found = reconstruct(
            displacement, config=CPU, method=Echo(), on_notice=notices.append
        )
        missing = np.isnan(found.data)
        assert missing.sum() == 2
        assert missing[3, 2, 1].all()
        np.testing.assert_array_equal(found.data[~missing], whole.data[~missing])
        np.testing.assert_array_equal(found.records["holes"], [0, 0, 0, 1, 0])
    assert about("1 vector in frame 3 is missing", notices)
    filled = reconstruct(
        stack,
        config=CPU,
        method=Echo(),
        preparation=PreparationConfig(fill_holes=True),
    )
    assert np.isfinite(filled.data).all()
    assert filled.metadata["preparation"] == {"fill_holes": True}


def test_frames_with_many_holes_are_left_out_and_named() -> None:
    stack, notices = random_stack(), []
    data = stack.data.copy()
    n = data.shape[1] // 5
    data[1, :n] = np.nan
    data[4] = np.inf
    stack = DisplacementStack(data, unit="field")
    found = reconstruct(stack, config=CPU, method=Echo(), on_notice=notices.append)
    left_out = np.isnan(found.data).all(axis=(1, 2, 3))
    assert left_out.tolist() == [False, True, False, False, True]
    assert np.isfinite(found.data[~left_out]).all()
    (notice,) = about("left out", notices[-1:])
    assert notice.startswith("all frames together: 2 of 5 frames are left out")
    filled = reconstruct(
        stack,
        config=CPU,
        method=Echo(),
        preparation=PreparationConfig(fill_holes=True),
    )
    assert np.isfinite(filled.data[:4]).all()
    assert np.isnan(filled.data[4]).all()


def test_the_cell_s_outline_goes_with_the_tractions() -> None:
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.5]])
    traction = reconstruct(random_stack(outline=outline), config=CPU, method=Echo())
    np.testing.assert_array_equal(traction.outline, outline)


def test_cancelling_between_batches() -> None:
    method, done = Echo(), []
    with pytest.raises(Cancelled):
        reconstruct(
            random_stack(5),
            config=CPU,
            method=method,
            on_progress=lambda n, _total: done.append(n),
            is_cancelled=lambda: bool(done),
        )
    assert method.batches == [2]


def test_too_large_a_batch_is_halved_and_said() -> None:
    method, notices = Echo(), []
    method.fits = 1
    config = ReconstructionConfig(device="cpu", batch_size=4)
    stack = random_stack(5)
    traction = reconstruct(
        stack, config=config, method=method, on_notice=notices.append
    )
    assert method.batches == [1] * 5
    assert notices == [
        "out of GPU memory: continuing with batches of 2",
        "out of GPU memory: continuing with batches of 1",
    ]
    np.testing.assert_allclose(traction.data, stack.data, rtol=1e-6)
    method.fits = 0
    with pytest.raises(FieldError, match="a single frame"):
        reconstruct(stack, config=config, method=method)


@pytest.mark.parametrize("model", ["vit", "fttc", "bayesian-fttc"])
def test_noise_that_cannot_be_estimated_is_said(model: str) -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(4, 24, 24, 2)).astype(np.float32)
    data[1:] = 0
    data[1, :3, :3, 0] = 1.0
    data[3, :3, :3, 1] = 1.0
    notices: list[str] = []
    reconstruct(
        DisplacementStack(data, unit="grid"),
        config=ReconstructionConfig(model=model, device="cpu"),
        on_notice=notices.append,
    )
    assert about("noise", notices) == [
        "the noise of 2 of 4 frames cannot be estimated (first: frame 1) because "
        f"nearly all vectors are equal; {model} assumes that there is no noise"
    ]


@pytest.mark.parametrize("shape", [(4, 4), (8, 30)])
def test_noise_of_small_fields_is_estimated(shape: tuple[int, int]) -> None:
    data = np.random.default_rng(0).normal(size=(1, *shape, 2))
    notices: list[str] = []
    reconstruct(
        DisplacementStack(data, unit="grid"),
        config=ReconstructionConfig(model="bayesian-fttc", device="cpu"),
        on_notice=notices.append,
    )
    assert about("no noise", notices) == []


@pytest.mark.parametrize("factor", [1e36, 1e17])
def test_tractions_that_are_too_large_for_their_unit_are_refused(
    tmp_path: Path, factor: float
) -> None:
    """Also those that `read_traction` would refuse."""

    class Large(Echo):
        """Tractions that are all right before the multiplication."""

        def traction(self, displacement: torch.Tensor) -> torch.Tensor:
            return displacement * factor

    stack = random_stack(gel=Gel(young_pa=5_000.0))
    for reconstruct_all in (
        reconstruct,
        lambda stack, **options: list(
            reconstruct_to_file(stack, tmp_path / "out.h5", on_notice=print, **options)
        ),
    ):
        with pytest.raises(
            FieldError, match=r"tractions of echo .* Young's modulus \(5000 Pa\)"
        ):
            reconstruct_all(stack, config=CPU, method=Large())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_companions_that_are_not_finite_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def assess(stack: DisplacementStack, *_: object, **__: object) -> Assessment:
        residual = np.zeros_like(stack.data)
        residual[0, 5, 5] = value
        return Assessment({"residual": residual})

    monkeypatch.setattr(run, "assess", assess)
    config = dataclasses.replace(CPU, residual=True)
    with pytest.raises(FieldError, match=r"residual of echo are too large"):
        reconstruct(random_stack(), config=config, method=Echo())


def test_unfamiliar_frames_are_recorded_and_told_before_the_tractions() -> None:
    rng = np.random.default_rng(0)
    stack = DisplacementStack(rng.normal(0, 0.1, (2, 40, 40, 2)), unit="grid")
    events: list[str] = []
    config = ReconstructionConfig(device="cpu", residual=True, batch_size=1)
    for batch in reconstruct_batches(stack, config=config, on_notice=events.append):
        events.append("tractions")
        assert batch.traction.records["unfamiliar"].tolist() == [1]
        assert (batch.traction.records["unfamiliar_score"] > 0).all()
    told = [number for number, text in enumerate(events) if "trained on" in text]
    assert told[0] < events.index("tractions")
    assert "mostly noise" in events[told[0]]
    assert events[told[-1]].startswith("all frames together: 2 of 2 frames are unlike")


def test_only_the_network_with_a_gauge_is_judged() -> None:
    config = ReconstructionConfig(model="fttc", device="cpu", residual=True)
    records = reconstruct(random_stack(1), config=config).records
    assert "explained" in records
    assert "unfamiliar" not in records
