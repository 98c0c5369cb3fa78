"""A batch on a Dask cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributed import LocalCluster

from napari_vit_tfm.batch import Settings, read_experiments, run_batch, write_summary
from napari_vit_tfm.config import QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.synthesis import synthesise

SETTINGS = Settings(
    config=ReconstructionConfig(model="bayesian-fttc", device="cpu"),
    quantities=QuantitiesConfig(n_controls=0),
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_two_workers_write_the_same_summary(tmp_path: Path) -> None:
    lines = ["file"]
    for number in range(3):
        fields = synthesise(1, seed=number, shape=(20, 24))
        displacement, _ = fields.on_gel(young_pa=1000.0, spacing_um=1.0)
        write_displacement(tmp_path / f"{number}.h5", displacement)
        lines.append(f"{number}.h5")
    (tmp_path / "2.h5").write_bytes(b"no field")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    experiments = read_experiments(tmp_path / "table.csv")
    here, there = tmp_path / "here", tmp_path / "there"
    expected = run_batch(experiments, here, settings=SETTINGS)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        found = run_batch(
            experiments, there, settings=SETTINGS, scheduler=cluster.scheduler_address
        )
    assert [one.error for one in found] == [one.error for one in expected]
    assert found[2].error
    assert (
        write_summary(there, found).read_bytes()
        == write_summary(here, expected).read_bytes()
    )


def test_where_no_scheduler_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_vit_tfm.batch.cluster._PATIENCE", "1s")
    (tmp_path / "table.csv").write_text("file\na.h5\n")
    experiments = read_experiments(tmp_path / "table.csv")
    with pytest.raises(ConfigError, match="no scheduler answers"):
        run_batch(
            experiments,
            tmp_path / "out",
            settings=SETTINGS,
            scheduler="tcp://127.0.0.1:9",
        )
