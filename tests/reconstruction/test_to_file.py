"""Files of tractions: interrupted runs go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from echo import CPU, Echo, random_stack
from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.io import read_traction
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.reconstruction import load_method, reconstruct_to_file
from napari_vit_tfm.synthesis import synthesise


def test_too_little_gpu_memory_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    class Full(Echo):
        def traction(self, displacement: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError

    notices: list[str] = []
    batches = reconstruct_to_file(
        random_stack(),
        tmp_path / "out.h5",
        config=CPU,
        method=Full(),
        on_notice=notices.append,
    )
    with pytest.raises(FieldError, match="does not fit into the GPU memory"):
        list(batches)
    assert "out of GPU memory: continuing with batches of 1" in notices
    assert list(tmp_path.iterdir()) == []


def test_gpu_memory_that_runs_out_later_keeps_the_frames(tmp_path: Path) -> None:
    class FullLater(Echo):
        def traction(self, displacement: torch.Tensor) -> torch.Tensor:
            if sum(self.batches) > 2:
                raise torch.OutOfMemoryError
            return super().traction(displacement)

    def run(method: Echo) -> None:
        config = dataclasses.replace(CPU, batch_size=1)
        stack, path = random_stack(), tmp_path / "out.h5"
        for _ in reconstruct_to_file(
            stack, path, config=config, method=method, on_notice=notices.append
        ):
            pass

    notices: list[str] = []
    with pytest.raises(FieldError, match="does not fit into the GPU memory"):
        run(FullLater())
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial.h5"]
    assert "the same command continues it" in notices[-1]
    run(Echo())
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def film_with_findings() -> DisplacementStack:
    """Nine frames; in the first ones are the most holes, outliers and drift."""
    data = 0.1 * synthesise(9, seed=1, shape=(32, 32)).displacement
    data[0, :3] = np.nan
    data[1, 10:30, 10:30] = np.nan
    data[2, 5, 6] *= -200
    data[3] += 10
    data[8, 20, 20] = np.nan
    return DisplacementStack(data, unit="grid")


@pytest.mark.parametrize("stops", [[2], [4, 6], [8]])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, stops: list[int]
) -> None:
    film = film_with_findings()
    expected: list[str] = []
    whole = reconstruct_to_file(
        film, tmp_path / "whole.h5", config=CPU, on_notice=expected.append
    )
    assert [batch.was_finished for batch in whole] == 5 * [False]
    assert len(expected) > 5
    path, last = tmp_path / "film.h5", 0
    for stop in stops:
        for_stop: list[str] = []
        run = reconstruct_to_file(film, path, config=CPU, on_notice=for_stop.append)
        for batch in run:
            assert batch.was_finished == (batch.start < last)
            if batch.stop == stop:
                break
        run.close()
        last = stop
        kept = f"film.partial.h5 has {stop} of 9 frames: the same command continues it"
        assert for_stop[-1].endswith(kept)
    notices: list[str] = []
    method = Counting()
    config = dataclasses.replace(CPU, batch_size=2)
    run = reconstruct_to_file(
        film, path, config=config, method=method, on_notice=notices.append
    )
    assert [batch.was_finished for batch in run].count(True) == last / 2
    assert method.n_frames == 9 - last
    assert notices[0].endswith(f"film.partial.h5, which has {last} of 9 frames")
    assert notices[1:] == expected
    one, other = read_traction(tmp_path / "whole.h5"), read_traction(path)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.drift, other.drift)
    np.testing.assert_array_equal(one.records["holes"], other.records["holes"])
    assert str(one.metadata["attributes"]) == str(other.metadata["attributes"])


def test_a_run_with_residual_and_uncertainty_goes_on(tmp_path: Path) -> None:
    film = film_with_findings()
    config = dataclasses.replace(CPU, residual=True, uncertainty=True)
    whole, path = tmp_path / "whole.h5", tmp_path / "film.h5"
    for _ in reconstruct_to_file(film, whole, config=config, on_notice=print):
        pass
    run = reconstruct_to_file(film, path, config=config, on_notice=print)
    next(run)
    run.close()
    for _ in reconstruct_to_file(film, path, config=config, on_notice=print):
        pass
    one, other = read_traction(whole), read_traction(path)
    assert len(one.companions) == 4
    assert one.displacement_unit == other.displacement_unit == "grid"
    for arrays, others in (
        (one.companions, other.companions),
        (one.records, other.records),
    ):
        assert arrays.keys() == others.keys()
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, others[name])
    # Nothing is known about a frame that was left out.
    assert np.isnan([one.records[name][1] for name in ("explained", "allowance")]).all()


class Counting(ReconstructionMethod):
    """FTTC that counts its frames."""

    name = "fttc"
    ignores_drift = True
    estimates_noise = True
    min_side = 4

    def __init__(self) -> None:
        self._fttc = load_method(CPU)
        self.n_frames = 0

    def to(self, device: str | torch.device) -> Counting:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        self.n_frames += len(displacement)
        return self._fttc.traction(displacement)


def test_other_vectors_in_memory_do_not_continue_a_run(tmp_path: Path) -> None:
    film, path = random_stack(5), tmp_path / "film.h5"
    run = reconstruct_to_file(film, path, config=CPU, on_notice=print)
    next(run)
    run.close()
    changed = film.with_data(film.data * 2)
    for displacement, config in [
        (changed, CPU),
        (film, dataclasses.replace(CPU, model="bayesian-fttc")),
    ]:
        with pytest.raises(FieldFileError, match="is of an interrupted run"):
            list(
                reconstruct_to_file(displacement, path, config=config, on_notice=print)
            )
    larger = dataclasses.replace(CPU, batch_size=3)
    stops = [
        batch.stop
        for batch in reconstruct_to_file(film, path, config=larger, on_notice=print)
    ]
    assert stops == [2, 5]
