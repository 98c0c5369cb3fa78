"""Noise that is given: in a region, as a number, or for every vector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm import ReconstructionConfig, io, reconstruct
from napari_vit_tfm.benchmark.held_out import simulate, with_noise
from napari_vit_tfm.config import NoiseConfig
from napari_vit_tfm.errors import ConfigError, FieldError, FieldFileError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.vector_noise import read_vector_noise
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.quantities.control import force_free_fields
from napari_vit_tfm.trust.force_free import region_as_text
from napari_vit_tfm.trust.gauge import familiarity_in
from napari_vit_tfm.trust.limits import detection_map
from napari_vit_tfm.trust.noise import (
    NoiseSource,
    estimated_noise,
    noise_of_field,
    noise_of_residual,
    noise_records,
    size_of,
)

SIDE = 48
SPACING_UM = 0.5
SD = 0.04
"""Noise in grid steps."""


def traction() -> np.ndarray:
    made = np.zeros((SIDE, SIDE, 2))
    made[12:18, 20:28, 1], made[30:36, 20:28, 1] = 0.1, -0.1
    return made


def stack(sd: float = SD, n_frames: int = 1, seed: int = 0) -> DisplacementStack:
    """Two adhesions with white noise, in um."""
    noise = np.random.default_rng(seed).normal(0, sd, (n_frames, SIDE, SIDE, 2))
    steps = surface_displacement(traction()) + noise
    return DisplacementStack(
        (steps * SPACING_UM).astype(np.float32), unit="um", spacing_um=SPACING_UM
    )


def config(model: str = "bayesian-fttc", **noise: object) -> ReconstructionConfig:
    return ReconstructionConfig(model=model, device="cpu", noise=NoiseConfig(**noise))


def outside() -> str:
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[:, :10] = True
    return region_as_text(inside)


def saved(path: Path, sd: np.ndarray) -> str:
    np.save(path, sd)
    return str(path)


# What is given


def test_a_number_is_in_the_unit_of_the_displacements() -> None:
    found = NoiseSource(NoiseConfig(sd=0.02), (SIDE, SIDE), 1).of_frames(stack())
    assert found.is_given
    # 0.02 um of 0.5 um.
    assert found.noise.standard_deviation().item() == pytest.approx(0.04, rel=1e-6)


def test_a_region_is_used_instead_of_the_field() -> None:
    steps = stack()
    data = steps.data.copy()
    # Fine structures of the cell, which the estimate from the field takes for noise.
    data[0, :, 14:] += np.random.default_rng(1).normal(0, 0.1, (SIDE, SIDE - 14, 2))
    fine = steps.with_data(data)
    of_field, of_region = (
        NoiseSource(NoiseConfig(region=region), (SIDE, SIDE), 1)
        .of_frames(fine)
        .noise.standard_deviation()
        .item()
        for region in ("", outside())
    )
    assert of_region == pytest.approx(SD, rel=0.1)
    assert of_field > 2 * SD


def test_the_noise_of_every_vector_is_that_of_its_frame(tmp_path: Path) -> None:
    sd = np.full((2, SIDE, SIDE), 0.01)
    sd[1, : SIDE // 2] = 0.03
    path = saved(tmp_path / "sd.npy", sd)
    source = NoiseSource(NoiseConfig(per_vector=path), (SIDE, SIDE), 2)
    found = source.of_frames(stack(n_frames=2).part(1, 2), first=1)
    rms = np.sqrt((0.01**2 + 0.03**2) / 2)
    assert found.noise.standard_deviation().item() == pytest.approx(rms / SPACING_UM)
    assert found.local is not None
    assert found.local[0, 0, 0] == pytest.approx(0.03 / rms)
    assert found.local[0, -1, 0] == pytest.approx(0.01 / rms)


def test_holes_do_not_count(tmp_path: Path) -> None:
    holes = np.zeros((1, SIDE, SIDE), dtype=bool)
    holes[:, :5] = True
    sd = np.where(holes, 9.0, 0.02)
    path = saved(tmp_path / "sd.npy", sd)
    source = NoiseSource(NoiseConfig(per_vector=path), (SIDE, SIDE), 1)
    found = source.of_frames(stack(), holes)
    assert found.noise.standard_deviation().item() == pytest.approx(0.04)
    bridged = stack().data.copy()
    bridged[holes] = 0.0
    whole = stack().with_data(bridged)
    of_field = NoiseSource(NoiseConfig(), (SIDE, SIDE), 1).of_frames(whole, holes)
    assert of_field.noise.standard_deviation().item() == pytest.approx(SD, rel=0.1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sd": 0.1, "region": "2 x 2: 0+4"}, "given twice"),
        ({"sd": 0.1, "per_vector": "sd.npy"}, "given twice"),
        ({"length": 0.5}, "belongs to a noise"),
        ({"length": 0.5, "region": "2 x 2: 0+4"}, "belongs to a noise"),
    ],
)
def test_contradictions_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        NoiseConfig(**given)


def test_other_grids_and_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="2 x 3"):
        reconstruct(stack(), config=config(region="2 x 3: 0+6"))
    path = saved(tmp_path / "sd.npy", np.ones((3, SIDE, SIDE)))
    with pytest.raises(FieldError, match="expected"):
        reconstruct(stack(n_frames=2), config=config(per_vector=path))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0.01, -0.01]), "positive"),
        (np.array([0.01, 0.0]), "positive"),
        (np.array([0.01, np.inf]), "positive"),
        (np.array([0.01, 1e28]), "no measurement"),
        (np.array([0.01, 1e-40]), "no measurement"),
    ],
)
def test_numbers_that_are_no_standard_deviations(
    tmp_path: Path, values: Any, words: str
) -> None:
    path = saved(tmp_path / "sd.npy", np.broadcast_to(values, (SIDE, SIDE, 2)))
    with pytest.raises(FieldFileError, match=words):
        read_vector_noise(path)


def test_the_unit_of_the_noise_is_that_of_the_displacements(tmp_path: Path) -> None:
    path = str(tmp_path / "sd.h5")
    for unit in ("nm", "px"):
        values = {"sd": np.full((SIDE, SIDE), 20.0)}
        io.write_arrays(path, values, {"sd": {"units": unit}})
        if unit == "nm":
            found = read_vector_noise(path, unit="um")
            assert found[0, 0, 0] == pytest.approx(0.02)
            continue
        with pytest.raises(FieldFileError, match="in 'px'"):
            reconstruct(stack(), config=config(per_vector=path))


# Where it is used


@pytest.mark.parametrize("model", ["fttc", "bayesian-fttc"])
@pytest.mark.parametrize("gel", [None, Gel(poisson=0.3)])
def test_the_right_noise_gives_the_tractions_of_the_estimate(
    model: str, gel: Gel | None
) -> None:
    measured = stack() if gel is None else replace(stack(), gel=gel)
    estimated, given, more = (
        reconstruct(measured, config=config(model, **noise)).data
        for noise in ({}, {"sd": SD * SPACING_UM}, {"sd": 4 * SD * SPACING_UM})
    )
    difference = np.linalg.norm(given - estimated) / np.linalg.norm(estimated)
    # The estimate itself is not exact.
    assert difference < 0.2
    # More noise is regularised more.
    assert np.linalg.norm(more) < 0.9 * np.linalg.norm(given)


def test_the_network_keeps_its_own_estimate() -> None:
    own, given = (
        reconstruct(stack(), config=config("vit", **noise)).data
        for noise in ({}, {"sd": 0.1})
    )
    np.testing.assert_array_equal(given, own)


@pytest.mark.parametrize("model", ["vit", "bayesian-fttc"])
def test_chi_squared_follows(model: str) -> None:
    right, twice = (
        reconstruct(
            stack(),
            config=replace(
                config(model, sd=factor * SD * SPACING_UM),
                residual=True,
            ),
        )
        for factor in (1.0, 2.0)
    )
    ratio = twice.records["chi_squared"] / right.records["chi_squared"]
    # A method that regularises more leaves more.
    assert 0.2 < ratio.item() < (0.26 if model == "vit" else 0.5)
    relative = [one.records["relative_noise"].item() for one in (right, twice)]
    assert relative[1] == pytest.approx(2 * relative[0])


@pytest.mark.parametrize("model", ["vit", "bayesian-fttc"])
def test_half_widths_grow_where_the_noise_is_above_average(
    tmp_path: Path, model: str
) -> None:
    sd = np.full((SIDE, SIDE), 0.01)
    sd[:, SIDE // 2 :] = 0.03
    path = saved(tmp_path / "sd.npy", sd)
    rms = float(np.sqrt(np.square(sd).mean()))
    even, uneven = (
        reconstruct(
            stack(),
            config=replace(config(model, length=0.0, **noise), uncertainty=True),
        ).companions["halfwidth_95"]
        for noise in ({"sd": rms}, {"per_vector": path})
    )
    ratio = uneven / even
    np.testing.assert_allclose(ratio[:, :, :14], 1.0, rtol=1e-5)
    np.testing.assert_allclose(ratio[:, :, 34:], 0.03 / rms, rtol=1e-4)


def test_given_noise_is_recorded_without_residual() -> None:
    found = reconstruct(stack(), config=config(sd=0.1))
    assert set(found.records) >= {"relative_noise", "noise_length"}
    assert "relative_noise" not in reconstruct(stack(), config=config()).records


def test_control_and_limits_have_the_given_noise() -> None:
    measured, given = stack(), 0.1
    options = config(sd=given, length=0.0)
    found = reconstruct(measured, config=options)
    fields = force_free_fields(
        found,
        measured,
        frame=0,
        emptied=np.ones((SIDE, SIDE), dtype=bool),
        n=3,
    )
    assert fields.data.std() == pytest.approx(given, rel=0.05)
    limits = detection_map(
        measured,
        found,
        reconstruct=lambda fields: reconstruct(
            fields, config=options.of_tractions_alone()
        ),
        place=(24, 8),
    )
    size = np.sqrt(measured.data.var(axis=(1, 2)).mean())
    assert limits.noise_share.item() == pytest.approx(given / size, rel=0.05)


def test_recorded_noise_is_the_noise_that_was_recorded() -> None:
    steps = stack().in_grid_steps()
    noise = NoiseSource(NoiseConfig(sd=0.02, length=0.7), (SIDE, SIDE), 1).of_frames(
        stack()
    )
    records = noise_records(steps, noise.noise)
    again = noise_of_field(steps[0], records, 0)
    assert again.length.item() == pytest.approx(0.7)
    assert again.standard_deviation().item() == pytest.approx(0.04, rel=1e-3)
    plain = noise_of_field(steps[0], {}, 0)
    assert plain.variance.item() == estimated_noise(steps).variance.item()


def test_the_residual_tells_less_noise_than_a_field_with_sharp_details() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (1, SIDE, SIDE, 2))
    steps = noise + rng.normal(0, 0.05, (1, SIDE, SIDE, 2))
    of_field = estimated_noise(steps)
    for tells_noise, expected in ((True, 0.02), (False, np.hypot(0.02, 0.05))):
        found = noise_of_residual(of_field, noise, tells_noise=tells_noise)
        assert found.standard_deviation().item() == pytest.approx(expected, rel=0.1)
    # It is never more than that of the field.
    more = noise_of_residual(estimated_noise(noise), steps, tells_noise=True)
    assert more.standard_deviation().item() == pytest.approx(0.02, rel=0.1)


def test_the_gauge_has_the_given_noise() -> None:
    size = float(np.sqrt(stack().data.var(axis=(1, 2)).mean()))
    plain, noisy = (
        reconstruct(stack(), config=replace(config("vit", sd=sd), residual=True))
        for sd in (0.1 * size, 0.9 * size)
    )
    assert plain.records["unfamiliar"].item() == 0
    assert noisy.records["unfamiliar"].item() == 1
    assert familiarity_in(noisy.records)[0].reason == "noise"


def test_chi_squared_of_small_fields_with_sharp_edges_is_about_one() -> None:
    """The field alone has too large a noise there, and chi squared would be 0.5."""
    clean, _ = simulate("discs", 3, seed=77, shape=(SIDE, SIDE))
    noisy = with_noise(clean, "5%", seed=77)
    found = reconstruct(
        DisplacementStack(noisy, unit="field"),
        config=replace(config("vit"), residual=True),
    )
    assert (found.records["chi_squared"] > 0.8).all()
    assert np.median(found.records["chi_squared"]) < 1.5


def test_noise_of_noise_alone_is_all_of_the_displacement() -> None:
    white = np.random.default_rng(0).normal(size=(64, 64, 2))
    for length in (0.0, 0.8, 1.2):
        noise = gaussian_filter(white, (length, length, 0))
        found = estimated_noise(noise[None]).standard_deviation().item()
        assert found / size_of(noise) == pytest.approx(1, abs=0.15)
