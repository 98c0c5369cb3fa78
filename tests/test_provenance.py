from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vit_tfm.config import (
    NoiseConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    input_files,
    open_displacement,
    open_traction,
    read_displacement,
    read_traction,
    write_arrays,
    write_traction,
)
from napari_vit_tfm.provenance import KEY, Provenance, file_sha256, files_sha256
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import synthesise

FTTC = ReconstructionConfig(model="fttc", device="cpu")
ENDINGS = ["h5", "npz", "mat", "csv", "ome.tif"]


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "cell.h5"
    data = synthesise(2, seed=1, shape=(24, 24)).displacement
    write_arrays(path, {"u": data}, {"u": {"units": "field"}})
    return path


def provenance_of(traction: TractionStack) -> Provenance:
    found = traction.metadata[KEY]
    assert isinstance(found, Provenance)
    return found


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_keeps_the_provenance(
    tmp_path: Path, cell: Path, ending: str
) -> None:
    stack = read_displacement(cell, spacing_um=0.8, gel=Gel(young_pa=5_000))
    preparation = PreparationConfig(reverse=True)
    traction = reconstruct(stack, config=FTTC, preparation=preparation)
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / f"out.{ending}"
    write_traction(path, traction)
    back = read_traction(path)
    found = provenance_of(back)
    assert found == provenance_of(traction)
    assert found.files == (cell,)
    assert found.input_sha256 == sha256_of(cell)
    assert found.parameters["reading"]["spacing_um"] == 0.8
    assert found.parameters["reading"]["unit"] is None
    assert found.parameters["displacement"]["unit"] == "field"
    assert found.parameters["gel"]["young_pa"] == 5_000
    assert found.parameters["preparation"]["reverse"] is True
    assert found.parameters["reconstruction"]["model"] == "fttc"
    assert json.loads(back.metadata["attributes"]["input"]) == ["../data/cell.h5"]


def test_a_moved_folder_finds_its_input(tmp_path: Path, cell: Path) -> None:
    write_traction(
        tmp_path / "data" / "out.h5", reconstruct(read_displacement(cell), config=FTTC)
    )
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere")
    found = provenance_of(read_traction(moved / "out.h5"))
    assert found.files == (moved / "cell.h5",)


def test_the_provenance_survives_another_format(tmp_path: Path, cell: Path) -> None:
    first, second = tmp_path / "out.npz", tmp_path / "data" / "out.csv"
    write_traction(first, reconstruct(read_displacement(cell), config=FTTC))
    write_traction(second, read_traction(first))
    one, other = (provenance_of(read_traction(path)) for path in (first, second))
    assert one == other


def test_a_film(tmp_path: Path) -> None:
    data = synthesise(1, seed=1, shape=(8, 8)).displacement
    paths = [tmp_path / f"film_{number}.h5" for number in (9, 10)]
    for path in paths:
        write_arrays(path, {"u": data}, {"u": {"units": "field"}})
    with open_displacement(tmp_path, in_memory_bytes=0) as displacement:
        found = provenance_of(reconstruct(displacement, config=FTTC))
    assert found.files == tuple(paths)
    assert found.input_sha256 == files_sha256(paths) != file_sha256(paths[0])


def test_many_files_do_not_fill_an_attribute(tmp_path: Path, cell: Path) -> None:
    known = provenance_of(reconstruct(read_displacement(cell), config=FTTC))
    # An attribute of HDF5 with a fixed length has at most 64 kB.
    many = replace(known, files=tuple(tmp_path / f"{n:0200}.h5" for n in range(500)))
    path = tmp_path / "out.h5"
    write_traction(path, TractionStack(np.ones((1, 8, 8, 2)), metadata={KEY: many}))
    assert provenance_of(read_traction(path)) == many


def test_two_files_with_one_component_each(tmp_path: Path) -> None:
    data = synthesise(1, seed=1, shape=(16, 16)).displacement
    for axis, name in enumerate("uv"):
        np.save(tmp_path / f"{name}.npy", data[0, ..., axis])
    both = [tmp_path / "u.npy", tmp_path / "v.npy"]
    assert input_files(both[1]) == both
    traction = reconstruct(read_displacement(both[1], unit="grid"), config=FTTC)
    found = provenance_of(traction)
    assert list(found.files) == both
    before = found.input_sha256
    np.save(both[0], data[0, ..., 0] * 2)
    assert files_sha256(both) != before


def test_a_changed_file_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "cell.txt"
    path.write_text("one")
    assert file_sha256(path) == sha256_of(path)
    path.write_text("other")
    assert file_sha256(path) == sha256_of(path)


def test_an_input_that_is_gone_has_no_hash(tmp_path: Path, cell: Path) -> None:
    stack = read_displacement(cell)
    cell.unlink()
    found = provenance_of(reconstruct(stack, config=FTTC))
    assert (found.files, found.input_sha256) == ((cell,), "")


def test_tractions_of_other_origin_have_no_provenance(tmp_path: Path) -> None:
    path = tmp_path / "known.h5"
    write_traction(path, TractionStack(np.ones((1, 8, 8, 2))))
    assert KEY not in read_traction(path).metadata
    said = {"units": "Pa", "input": "x", "input_sha256": "", "versions": "{}"}
    for parameters in ("no JSON", "{}", "[]"):
        attributes = {**said, "parameters": parameters}
        write_arrays(path, {"t": np.ones((8, 8, 2))}, {"t": attributes})
        assert KEY not in read_traction(path).metadata


def test_the_model_file_is_found_from_the_result(tmp_path: Path, cell: Path) -> None:
    config = ReconstructionConfig(model=str(tmp_path / "models" / "own.safetensors"))
    found = Provenance.of(
        read_displacement(cell),
        gel=Gel(),
        preparation=PreparationConfig(),
        config=config,
        device="cpu",
    )
    stack = TractionStack(np.ones((1, 8, 8, 2)), metadata={KEY: found})
    with open_traction(cell.parent / "out.h5") as sink:
        sink.append(stack)
    back = read_traction(cell.parent / "out.h5")
    written = json.loads(back.metadata["attributes"]["parameters"])
    assert written["reconstruction"]["model"] == "../models/own.safetensors"
    assert provenance_of(back) == found


def test_what_determines_the_tractions(tmp_path: Path, cell: Path) -> None:
    moved = tmp_path / "moved.h5"
    moved.write_bytes(cell.read_bytes())

    def determining(
        path: Path = cell,
        *,
        gel: Gel | None = None,
        preparation: PreparationConfig | None = None,
        config: ReconstructionConfig = FTTC,
        sha256: str = "ab",
    ) -> dict[str, object]:
        found = Provenance.of(
            read_displacement(path),
            gel=gel or Gel(young_pa=5_000, thickness_um=np.inf),
            preparation=preparation or PreparationConfig(),
            config=config,
            device=config.device,
        )
        return found.determining(model="fttc", model_sha256=sha256)

    known = determining()
    assert json.loads(json.dumps(known)) == known
    assert determining(moved) == known
    assert determining(config=replace(FTTC, device="cuda", batch_size=3)) == known
    other = tmp_path / "other.h5"
    data = read_displacement(cell).data * 2
    write_arrays(other, {"u": data}, {"u": {"units": "field"}})
    for name, changed in {
        "input": determining(other),
        "gel": determining(gel=Gel(young_pa=5_001)),
        "preparation": determining(preparation=PreparationConfig(bin_size=2)),
        "options": determining(config=replace(FTTC, options={"regularisation": 1.0})),
    }.items():
        assert [key for key in known if changed[key] != known[key]] == [name]
    assert determining(sha256="cd")["model"] != known["model"]


@pytest.mark.parametrize(
    "part", ["reading", "as_read", "gel", "preparation", "displacement", "device"]
)
@pytest.mark.parametrize("value", [None, 3, [1]])
def test_a_damaged_record_is_none(
    tmp_path: Path, cell: Path, part: str, value: object
) -> None:
    known = Provenance.of(
        read_displacement(cell),
        gel=Gel(),
        preparation=PreparationConfig(),
        config=FTTC,
        device="cpu",
    )
    attributes = known.attributes(tmp_path)
    assert Provenance.in_attributes(attributes, tmp_path) is not None
    parameters = json.loads(attributes["parameters"]) | {part: value}
    attributes["parameters"] = json.dumps(parameters)
    assert Provenance.in_attributes(attributes, tmp_path) is None


def of_parts(cell: Path, **parts: dict[str, Any]) -> Provenance:
    """A provenance with other values in some of its parts."""
    known = provenance_of(reconstruct(read_displacement(cell), config=FTTC))
    changed = {name: {**known.parameters[name], **new} for name, new in parts.items()}
    return replace(known, parameters={**known.parameters, **changed})


def test_options_are_built_again(cell: Path) -> None:
    known = of_parts(cell, reconstruction={"noise": {"sd": 0.5, "length": 1.0}})
    found = known.options("reconstruction", ReconstructionConfig)
    assert found == replace(FTTC, noise=NoiseConfig(sd=0.5, length=1.0))
    other = of_parts(cell, reconstruction={"noise": {"sd": "much"}})
    with pytest.raises(ConfigError, match="sd must be a number"):
        other.options("reconstruction", ReconstructionConfig)


def test_options_of_another_version(cell: Path) -> None:
    new: dict[str, Any] = {"reconstruction": {"speed": 3, "noise": {"colour": "pink"}}}
    known = of_parts(cell, **new, reading={"mirror": True})
    told: list[tuple[str, Any]] = []

    def tell(name: str, value: Any) -> None:
        told.append((name, value))

    found = known.options("reconstruction", ReconstructionConfig, tell)
    assert found == FTTC
    assert "mirror" not in known.reading(allow_links=False, on_unknown=tell)
    assert told == [("colour", "pink"), ("speed", 3), ("mirror", True)]
    with pytest.raises(ConfigError, match="no option"):
        known.options("reconstruction", ReconstructionConfig)
    with pytest.raises(ConfigError, match="no option mirror"):
        known.reading(allow_links=False)


def test_a_file_does_not_allow_links_itself(cell: Path) -> None:
    known = of_parts(cell, reading={"allow_links": True})
    assert known.reading(allow_links=False)["allow_links"] is False
    assert known.reading(allow_links=True)["allow_links"] is True
