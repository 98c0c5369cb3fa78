from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.config import (
    NoiseConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    write_arrays,
    write_traction,
)
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.provenance import KEY, Provenance
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.scripts import as_command, as_python
from napari_vit_tfm.synthesis import synthesise

FTTC = ReconstructionConfig(model="fttc", device="cpu")
GRID_STEPS = 31 * synthesise(2, seed=1, shape=(24, 32)).displacement

Again = Callable[[Provenance], TractionStack]


def write(path: Path, data: Any = GRID_STEPS, **attributes: Any) -> Path:
    write_arrays(path, {"displacement": data}, {"displacement": attributes})
    return path


def write_table(path: Path, columns: str, step: float) -> Path:
    """A text table with positions."""
    rows, cols = np.mgrid[:24, :32]
    numbers = [step * cols, step * rows, *np.moveaxis(GRID_STEPS[0] * step, -1, 0)]
    table = np.stack([one.ravel() for one in numbers], axis=-1)
    np.savetxt(path, table, header=columns, delimiter=",", comments="", fmt="%.9g")
    return path


def provenance_of(traction: TractionStack) -> Provenance:
    found = traction.metadata[KEY]
    assert isinstance(found, Provenance)
    return found


@pytest.fixture
def run_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Again:
    def run(provenance: Provenance) -> TractionStack:
        folder = tmp_path / "command"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        name, *arguments = shlex.split(as_command(provenance))
        assert name == "vit-tfm"
        result = CliRunner().invoke(main, [*arguments, "--device", "cpu"])
        assert result.exit_code == 0, result.output
        return read_traction(next(folder.iterdir()))

    return run


@pytest.fixture
def run_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Again:
    def run(provenance: Provenance) -> TractionStack:
        folder = tmp_path / "python"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        exec(compile(as_python(provenance), "script.py", "exec"), {})
        return read_traction(next(folder.iterdir()))

    return run


def check(expected: TractionStack, *runs: Again) -> None:
    """The runs give the tractions, also after they were saved."""
    known = provenance_of(expected)
    for run in runs:
        found = run(known)
        assert found.data.shape == expected.data.shape
        largest = 1e-6 * expected.longest()
        assert largest > 0
        np.testing.assert_allclose(found.data, expected.data, rtol=0, atol=largest)
        assert (found.unit, found.model) == (expected.unit, expected.model)
        assert found.gel == expected.gel
        if expected.spacing_um is not None:
            assert found.spacing_um == pytest.approx(expected.spacing_um)


def test_nothing_but_defaults(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    path = write(tmp_path / "cell.h5", units="grid")
    expected = reconstruct(read_displacement(path))
    check(expected, run_command, run_python)
    known = provenance_of(expected)
    assert as_command(known) == f"vit-tfm predict {path} -o cell_traction.h5"
    assert as_python(known).splitlines() == [
        "import napari_vit_tfm as tfm",
        "",
        f"displacement = tfm.read_displacement({str(path)!r})",
        "traction = tfm.reconstruct(displacement)",
        "tfm.write_traction('cell_traction.h5', traction)",
    ]


@pytest.mark.parametrize("is_saved", [False, True])
def test_all_at_once(
    tmp_path: Path, run_command: Again, run_python: Again, is_saved: bool
) -> None:
    path = tmp_path / "a 'cell'.npz"
    data = 8 * GRID_STEPS
    data[0, 3:5, 4] = np.nan
    np.savez(path, first=np.ones((2, 24, 32, 2)), second=data)
    stack = read_displacement(
        path,
        dataset="second",
        unit="px",
        pixel_size_um=0.123456789,
        spacing_um=1,
        y="up",
        gel=Gel(young_pa=5432.1, poisson=0.3, thickness_um=12.5),
    )
    preparation = PreparationConfig(
        reverse=True, bin_size=2, remove_drift=True, fill_holes=True
    )
    config = replace(FTTC, options={"regularisation": 0.25}, batch_size=1)
    expected = reconstruct(stack, config=config, preparation=preparation)
    if is_saved:
        write_traction(tmp_path / "out.h5", expected)
        expected = read_traction(tmp_path / "out.h5")
    check(expected, run_command, run_python)
    assert as_command(provenance_of(expected)).endswith(
        "--dataset second --units px --spacing 1 --pixel-size 0.123456789 --y up "
        "--young 5432.1 --poisson 0.3 --thickness 12.5 --reverse --bin 2 "
        "--remove-drift --fill-holes --model fttc --regularisation 0.25"
    )


def test_residual_and_uncertainty(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    path = write(tmp_path / "cell.h5", units="grid")
    config = replace(FTTC, residual=True, uncertainty=True)
    expected = reconstruct(read_displacement(path), config=config)
    known = provenance_of(expected)
    assert as_command(known).endswith("--model fttc --residual --uncertainty")
    for run in (run_command, run_python):
        assert set(run(known).companions) == set(expected.companions) > {"residual"}


def test_a_network_with_views(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    model = tmp_path / "small.safetensors"
    network = PhysicsViT(PhysicsViTConfig(width=16, depth=2, heads=2, channels=8))
    save_network(model, network, training={})
    path = write(tmp_path / "cell.h5", units="grid")
    config = ReconstructionConfig(model=str(model), n_views=4, device="cpu")
    expected = reconstruct(read_displacement(path), config=config)
    check(expected, run_command, run_python)
    assert as_command(provenance_of(expected)).endswith(f"--model {model} --views 4")


def test_the_gel_of_the_file_is_replaced(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    path = write(
        tmp_path / "cell.h5",
        units="grid",
        spacing_um=0.5,
        young_pa=900.0,
        poisson=0.3,
        thickness_um=5.0,
    )
    stack = read_displacement(path)
    check(reconstruct(stack, config=FTTC), run_command, run_python)
    for gel in (Gel(young_pa=100), Gel(2_000, 0.45, 8.0)):
        expected = reconstruct(stack, substrate=Substrate(gel), config=FTTC)
        check(expected, run_command, run_python)
    expected = reconstruct(stack, substrate=Substrate(Gel(poisson=0.3)), config=FTTC)
    check(expected, run_python)
    with pytest.raises(ConfigError, match=r"Young's modulus is set to unknown"):
        as_command(provenance_of(expected))


def test_a_film(tmp_path: Path, run_command: Again, run_python: Again) -> None:
    paths = [
        write(tmp_path / f"film_{number}.h5", frame, units="grid")
        for number, frame in zip((9, 10), GRID_STEPS, strict=True)
    ]
    expected = reconstruct(read_displacement(paths), config=FTTC)
    assert expected.n_frames == 2
    check(expected, run_command, run_python)


def test_two_files_with_one_component_each(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    for axis, name in enumerate("uv"):
        np.save(tmp_path / f"{name}.npy", GRID_STEPS[..., axis])
    stack = read_displacement(tmp_path / "u.npy", unit="grid")
    check(reconstruct(stack, config=FTTC), run_command, run_python)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "grid"},
        {"unit": "um", "spacing_um": 0.7},
        {"unit": "px", "spacing_um": 0.7, "pixel_size_um": 0.05},
    ],
)
def test_a_unit_that_was_chosen_after_reading(
    tmp_path: Path, run_command: Again, run_python: Again, changes: dict[str, Any]
) -> None:
    path = write(tmp_path / "cell.h5")
    stack = replace(read_displacement(path), **changes)
    expected = reconstruct(stack, config=FTTC)
    check(expected, run_command, run_python)
    assert "dataclasses" not in as_python(provenance_of(expected))


@pytest.mark.parametrize("unit", ["px", "um"])
def test_positions_without_units(
    tmp_path: Path, run_command: Again, run_python: Again, unit: Any
) -> None:
    path = write_table(tmp_path / "cell.csv", "x,y,u,v", 16)
    stack = replace(read_displacement(path), unit=unit)
    assert stack.spacing_in_unit == pytest.approx(16)
    check(reconstruct(stack, config=FTTC), run_command, run_python)


def test_a_pixel_size_that_was_typed_after_reading(
    tmp_path: Path, run_command: Again, run_python: Again
) -> None:
    path = write_table(tmp_path / "cell.csv", "x [px],y [px],u [px],v [px]", 16)
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(16))
    stack = replace(stack, pixel_size_um=0.1, gel=Gel(1_000, 0.4, 20))
    check(reconstruct(stack, config=FTTC), run_command, run_python)


@pytest.mark.parametrize(
    ("attributes", "changes"),
    [
        # The numbers were converted to um before the unit was changed.
        ({"units": "nm"}, {"unit": "grid"}),
        ({"units": "px", "pixel_size_um": 2.0}, {"unit": "um", "spacing_um": 3.0}),
        ({"units": "grid", "spacing_um": 2.0}, {"spacing_um": None}),
    ],
)
def test_changes_for_which_there_is_no_option(
    tmp_path: Path,
    run_python: Again,
    attributes: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    path = write(tmp_path / "cell.h5", **attributes)
    expected = reconstruct(replace(read_displacement(path), **changes), config=FTTC)
    check(expected, run_python)
    with pytest.raises(ConfigError, match="copy the Python script"):
        as_command(provenance_of(expected))


def test_positions_in_another_unit(tmp_path: Path, run_python: Again) -> None:
    path = write_table(tmp_path / "cell.csv", "x [px],y [px],u,v", 16)
    stack = read_displacement(path)
    changes: dict[str, Any] = {"spacing_um": 1.608, "pixel_size_um": 0.1}
    expected = reconstruct(replace(stack, unit="px", **changes), config=FTTC)
    check(expected, run_python)
    with pytest.raises(ConfigError, match="copy the Python script"):
        as_command(provenance_of(expected))


def test_displacements_in_no_file() -> None:
    stack = DisplacementStack(GRID_STEPS, unit="grid")
    known = provenance_of(reconstruct(stack, config=FTTC))
    for function in (as_command, as_python):
        with pytest.raises(ConfigError, match="in no file"):
            function(known)


def test_an_option_of_another_version(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", units="grid")
    known = provenance_of(reconstruct(read_displacement(path), config=FTTC))
    preparation = {**known.parameters["preparation"], "smooth": 3}
    other = replace(known, parameters={**known.parameters, "preparation": preparation})
    for function in (as_command, as_python):
        with pytest.raises(ConfigError, match="no option smooth"):
            function(other)


@pytest.mark.parametrize("noise", [{"sd": 0.1, "length": 0.5}, {"sd": 0.2}])
def test_noise_that_is_given(
    tmp_path: Path, run_command: Again, run_python: Again, noise: Any
) -> None:
    path = write(tmp_path / "cell.h5", units="grid")
    config = replace(FTTC, noise=NoiseConfig(**noise))
    traction = reconstruct(read_displacement(path), config=config)
    known = provenance_of(traction)
    again = run_command(known)
    np.testing.assert_allclose(again.data, traction.data, rtol=1e-5, atol=1e-9)
    again = run_python(known)
    np.testing.assert_allclose(again.data, traction.data, rtol=1e-5, atol=1e-9)


def test_a_region_without_force_is_in_the_script_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", units="grid")
    config = replace(FTTC, noise=NoiseConfig(region="24 x 32: 0+300"))
    known = provenance_of(reconstruct(read_displacement(path), config=config))
    assert "24 x 32: 0+300" in as_python(known)
    with pytest.raises(ConfigError, match="region without force"):
        as_command(known)
