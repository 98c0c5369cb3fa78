from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    read_displacement,
    read_segmentation,
    read_traction,
    write_arrays,
)

FIELD = np.random.default_rng(0).normal(size=(3, 8, 9, 2)).astype(np.float32)


def write(
    path: Path, name: str, values: npt.ArrayLike = FIELD, **attributes: str | float
) -> Path:
    write_arrays(path, {name: values}, {name: attributes})
    return path


@pytest.fixture(params=["run.h5", "run.npz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("um", "um"), ("µm", "um"), ("μm", "um"), ("pixels", "px"), ("grid", "grid")],
)
def test_units_are_read_unless_a_unit_is_given(
    path: Path, name: str, unit: str
) -> None:
    write(path, "displacement", units=name)
    assert read_displacement(path).unit == unit
    assert read_displacement(path, unit="field").unit == "field"


def test_unknown_units_are_refused_unless_a_unit_is_given(path: Path) -> None:
    write(path, "displacement", units="furlong")
    with pytest.raises(
        FieldFileError, match=r"has the unknown unit 'furlong', expected one of um"
    ):
        read_displacement(path)
    assert read_displacement(path, unit="um").unit == "um"
    with pytest.raises(FieldError, match="unknown displacement unit 'furlong'"):
        read_displacement(path, unit="furlong")  # type: ignore[arg-type]


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-3), ("mm", 1e3), ("m", 1e6)])
def test_other_lengths_become_micrometres(path: Path, unit: str, factor: float) -> None:
    write(path, "u", units=unit)
    stack = read_displacement(path)
    assert stack.unit == "um"
    assert stack.data.dtype == np.float32
    np.testing.assert_allclose(stack.data, FIELD * factor, rtol=1e-6)
    # With a given unit, the numbers are not converted.
    np.testing.assert_array_equal(read_displacement(path, unit="px").data, FIELD)
    write(path, "u", FIELD.astype(np.float64) * 1e38, units="m")
    with pytest.raises(FieldFileError, match="which no field has in any unit"):
        read_displacement(path)


def test_displacements_without_a_unit(path: Path) -> None:
    write(path, "displacement")
    stack = read_displacement(path)
    assert stack.unit is None
    with pytest.raises(FieldError, match="unit is not known"):
        stack.in_grid_steps()


def test_the_gel_is_read_unless_values_are_given(path: Path) -> None:
    write(path, "displacement", young_pa=700.0, poisson=0.0, thickness_um=np.inf)
    assert read_displacement(path).gel == Gel(700.0, 0.0, np.inf)
    given = Gel(poisson=0.3)
    assert read_displacement(path, gel=given).gel == Gel(700.0, 0.3, np.inf)
    write(path, "displacement", young_pa=np.nan)
    assert read_displacement(path).gel == Gel()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("young_pa", "10 kPa", "expected a number"),
        ("young_pa", 0.0, "must be above 0"),
        ("young_pa", np.inf, "must be above 0"),
        ("thickness_um", "1e999", "expected a number"),
        ("poisson", 0.7, "at least 0 and at most 0.5"),
        ("thickness_um", -1.0, "must be above 0"),
    ],
)
def test_an_impossible_gel(
    path: Path, name: str, value: float | str, reason: str
) -> None:
    attributes = {"young_pa": 700.0, "poisson": 0.45, "thickness_um": 9.0}
    attributes[name] = value
    write(path, "displacement", **attributes)
    match = rf"displacement has {name} = .*{reason}"
    with pytest.raises(FieldFileError, match=match):
        read_displacement(path)
    # Given values are not read from the file.
    given = Gel(800.0, 0.3, 8.0)
    assert read_displacement(path, gel=given).gel == given
    notices: list[str] = []
    gel = read_displacement(path, ignore_gel_errors=True, on_notice=notices.append).gel
    assert gel == replace(Gel(700.0, 0.45, 9.0), **{name: None})
    assert len(notices) == 1
    write(path, "traction", units="Pa", **attributes)
    with pytest.raises(FieldFileError, match=f"has {name} = .*{reason}"):
        read_traction(path)


def test_attributes_of_an_array_override_those_of_the_file(path: Path) -> None:
    of_file = {"units": "um", "spacing_um": 2.0, "pixel_size_um": 0.25}
    of_array = {"units": "px", "spacing_um": 0.5}
    arrays = {"displacement": FIELD, "other": FIELD}
    write_arrays(path, arrays, {"": of_file, "displacement": of_array})
    stack = read_displacement(path, dataset="displacement")
    assert (stack.unit, stack.spacing_um, stack.pixel_size_um) == ("px", 0.5, 0.25)
    stack = read_displacement(path, dataset="other")
    assert (stack.unit, stack.spacing_um) == ("um", 2.0)


def test_traction_units(path: Path) -> None:
    write(path, "traction", units="Pa")
    assert read_traction(path).unit == "Pa"
    assert read_traction(path, unit="1").unit == "1"
    write(path, "traction", units="pascal")
    assert read_traction(path).unit == "Pa"
    write(path, "traction", units="kPa")
    with pytest.raises(
        FieldFileError, match=r"has the unknown unit 'kPa', expected one of Pa"
    ):
        read_traction(path)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "wide"])
def test_impossible_lengths(path: Path, value: float | str) -> None:
    write(path, "displacement", units="um", spacing_um=value)
    with pytest.raises(FieldFileError, match=r"spacing_um = .*expected a positive"):
        read_displacement(path)
    assert read_displacement(path, spacing_um=2.0).spacing_um == 2.0


def test_a_spacing_of_zero_is_not_ignored(path: Path) -> None:
    write(path, "displacement", units="um", spacing_um=1.0)
    with pytest.raises(FieldError, match="spacing in um must be above"):
        read_displacement(path, spacing_um=0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_vectors_that_are_not_finite_are_holes(path: Path, bad: float) -> None:
    values = FIELD.astype(np.float64)
    values[1, 4, 7, 1] = bad
    values[1, 5] = bad
    write(path, "displacement", values)
    found = np.isnan(read_displacement(path).data)
    expected = np.zeros(FIELD.shape[:3], bool)
    expected[1, 4, 7] = expected[1, 5] = True
    # A vector with one component is no vector.
    np.testing.assert_array_equal(found.all(axis=-1), expected)
    np.testing.assert_array_equal(found.any(axis=-1), expected)


def test_files_that_do_not_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "run.h5", "displacement")

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("h5py.Dataset.__getitem__", fail)
    with pytest.raises(FieldFileError, match=r"run.h5: does not fit into memory"):
        read_displacement(path)


@pytest.mark.parametrize(
    "drift", [np.zeros((2, 2)), np.zeros((3, 2), int), np.full((3, 2), np.nan)]
)
def test_arrays_that_are_not_a_drift(path: Path, drift: npt.NDArray) -> None:
    arrays = {"traction": FIELD, "drift": drift}
    attributes = {"traction": {"units": "1"}, "drift": {"units": "grid"}}
    write_arrays(path, arrays, attributes)
    with pytest.raises(FieldFileError, match=r"drift .* expected .* shape \(3, 2\)"):
        read_traction(path)
    # An array of this name in other units is from another program and is ignored.
    write_arrays(path, arrays, {"traction": {"units": "1"}})
    assert read_traction(path).drift is None


def test_segmentation(path: Path) -> None:
    labels = np.arange(3 * 8 * 9).reshape(3, 8, 9)
    write_arrays(path, {"traction": FIELD, "segmentation": labels}, {})
    found = read_segmentation(path)
    assert found is not None
    np.testing.assert_array_equal(found, labels)
    write_arrays(path, {"segmentation": labels[0].astype(np.uint8)}, {})
    found = read_segmentation(path)
    assert found is not None
    assert found.shape == (1, 8, 9)
    assert read_segmentation(write(path, "traction")) is None
    for wrong in (labels.astype(float), labels.ravel()):
        write_arrays(path, {"segmentation": wrong}, {})
        with pytest.raises(FieldFileError, match="expected whole numbers"):
            read_segmentation(path)


@pytest.mark.parametrize(
    ("attributes", "spacing_um", "spacing_in_unit", "note"),
    [
        ({"units": "um", "spacing": 0.8}, 0.8, None, "0.8 is taken as um, the unit of"),
        ({"units": "nm", "dx": 800.0}, 0.8, None, "dx = 800 is taken as nm"),
        ({"units": "m", "spacing": 8e-7}, 0.8, None, "is taken as m"),
        ({"units": "px", "spacing": 8.0}, None, 8.0, "spacing = 8 is taken as px"),
        ({"units": "px", "spacing": 0.8}, None, None, "at least one pixel apart"),
        ({"units": "px", "spacing": 0.8, "spacing_units": "um"}, 0.8, None, "its unit"),
        ({"units": "um", "spacing": 8.0, "spacing_unit": "px"}, None, None, "be in px"),
        ({"units": "grid", "spacing": 0.8}, None, None, "it cannot be in grid"),
        ({"spacing": 0.8}, None, None, "not used, since the file does not have its"),
        ({"units": "px", "spacing_um": 0.8}, 0.8, None, None),
    ],
)
def test_a_spacing_without_a_unit_is_in_the_unit_of_the_file(
    path: Path,
    attributes: dict[str, object],
    spacing_um: float | None,
    spacing_in_unit: float | None,
    note: str | None,
) -> None:
    write(path, "displacement", **attributes)
    notices: list[str] = []
    stack = read_displacement(path, on_notice=notices.append)
    assert stack.spacing_um == pytest.approx(spacing_um)
    assert stack.spacing_in_unit == pytest.approx(spacing_in_unit)
    assert len(notices) == (note is not None)
    assert note is None or note in notices[0]
    given = read_displacement(path, spacing_um=2.0, on_notice=notices.append)
    assert given.spacing_um == 2.0
    overruled = [text for text in notices if "as you have set it" in text]
    assert len(overruled) == (spacing_um is not None)
    assert len(notices) - len(overruled) == (note is not None)


@pytest.mark.parametrize(
    ("units", "pixel_size_um", "note"),
    [("px", 65.0, "taken as micrometres"), ("nm", 0.065, "is taken as nm, the unit")],
)
def test_a_pixel_size_without_a_unit(
    path: Path, units: str, pixel_size_um: float, note: str
) -> None:
    write(path, "displacement", units=units, pixel_size=65.0)
    stack = read_displacement(path)
    assert stack.pixel_size_um == pytest.approx(pixel_size_um)
    assert note in stack.metadata["notes"][0]


@pytest.mark.parametrize(
    ("units", "unit"), [("px/frame", "px"), ("um per frame", "um"), ("", None)]
)
def test_units_are_read_as_in_text_tables(
    path: Path, units: str, unit: str | None
) -> None:
    write(path, "displacement", units=units)
    assert read_displacement(path).unit == unit


@pytest.mark.parametrize(("scale", "n_notes"), [(0.2, 1), (1, 0), ("0.2", 1)])
def test_values_that_are_packed_are_noted(
    path: Path, scale: object, n_notes: int
) -> None:
    write(path, "displacement", units="um", scale_factor=scale, add_offset=0)
    notes = read_displacement(path).metadata["notes"]
    assert sum("is not applied" in note for note in notes) == n_notes


def test_velocities_are_refused_by_their_unit(path: Path) -> None:
    write(path, "field", units="um/s")
    with pytest.raises(FieldFileError, match=r"a velocity: per second.*--dataset"):
        read_displacement(path)
    with pytest.raises(FieldFileError, match="multiply it by the time between"):
        read_displacement(path, dataset="field")


@pytest.mark.parametrize(
    "attributes",
    [
        {"units": "um", "dx": 0.8, "dy": 1.6},
        {"units": "um", "spacing": 0.8, "dx": 1.6},
        {"units": "px", "spacing": 8.0, "pixel_size_um": 0.1, "spacing_um": 1.6},
    ],
)
def test_lengths_that_contradict_each_other_are_an_error(
    path: Path, attributes: dict[str, object]
) -> None:
    write(path, "displacement", **attributes)
    with pytest.raises((FieldError, FieldFileError), match=r"1\.6"):
        read_displacement(path)


def test_what_overrules_the_file_is_said(path: Path) -> None:
    write(path, "displacement", units="um", spacing_um=0.8, young_pa=8000.0)
    notices: list[str] = []
    read_displacement(
        path, spacing_um=0.4, gel=Gel(young_pa=5000.0), on_notice=notices.append
    )
    assert len(notices) == 2
    assert "the vector spacing in the file is 0.8 um, but 0.4 is used" in notices[0]
    assert "Young's modulus in the file is 8000 Pa, but 5000 is used" in notices[1]
    read_displacement(
        path, spacing_um=0.8, gel=Gel(young_pa=8000.0), on_notice=notices.append
    )
    assert len(notices) == 2


def test_two_frames_and_two_components_are_told_apart_in_words(tmp_path: Path) -> None:
    path = tmp_path / "displacement.npy"
    np.save(path, np.zeros((2, 2, 12, 16)))
    notices: list[str] = []
    assert read_displacement(path, on_notice=notices.append).n_frames == 2
    assert any("taken as two frames" in text for text in notices)
    np.save(path, np.zeros((3, 2, 12, 16)))
    notices.clear()
    read_displacement(path, on_notice=notices.append)
    assert not any("taken as" in text and "frames" in text for text in notices)


def test_companions_of_tractions_with_y_up(path: Path) -> None:
    units = {"traction": "Pa", "residual": "um", "halfwidth_95": "Pa"}
    arrays = {"traction": FIELD, "residual": FIELD, "halfwidth_95": np.abs(FIELD)}
    write_arrays(path, arrays, {name: {"units": unit} for name, unit in units.items()})
    down, up = read_traction(path), read_traction(path, y="up")
    turned = down.companions["residual"][:, ::-1] * (1, -1)
    np.testing.assert_array_equal(up.companions["residual"], turned)
    # A half-width has no direction.
    sizes = down.companions["halfwidth_95"][:, ::-1]
    np.testing.assert_array_equal(up.companions["halfwidth_95"], sizes)


UNITS = [("um", "px"), ("px", "um"), ("um", "nm"), ("Pa", "um"), ("um", 3), ("1", "Pa")]


@pytest.mark.parametrize(("units", "unit"), UNITS)
def test_two_units_are_refused(path: Path, units: str, unit: str | float) -> None:
    write(path, "u", units=units, unit=unit)
    for read in (read_displacement, read_traction):
        with pytest.raises(FieldFileError, match=r"units = .* and unit = .*contradict"):
            read(path, dataset="u")
    assert read_displacement(path, dataset="u", unit="grid").unit == "grid"


@pytest.mark.parametrize(
    ("units", "unit"), [("um", "µm"), ("um", "micron"), ("", "um"), ("-", "um")]
)
def test_two_spellings_of_a_unit(path: Path, units: str, unit: str) -> None:
    write(path, "u", units=units, unit=unit)
    assert read_displacement(path).unit == "um"


def test_the_number_1_is_no_unit(path: Path) -> None:
    write(path, "traction", units=1)
    with pytest.raises(FieldFileError, match="the unknown unit 'int 1'"):
        read_traction(path)
    write(path, "traction", units="1")
    assert read_traction(path).unit == "1"
