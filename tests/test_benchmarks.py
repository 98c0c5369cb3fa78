"""The script that measures accuracy over kinds of fields and noise."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch

from napari_vit_tfm.held_out import NOISES

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kinds.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("kinds_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # Its dataclasses look for their module.
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_a_model_is_set_against_the_better_classical_method(script: ModuleType) -> None:
    cells = [
        script.Cell("ring", "0", {"m": 0.2, "fttc": 0.4, "bayesian-fttc": 0.8}),
        script.Cell("pads", "0", {"m": 0.3, "fttc": 0.5, "bayesian-fttc": 0.1}),
        script.Cell("pads", "5%", {"m": 0.21, "fttc": 0.2, "bayesian-fttc": 0.2}),
    ]
    summary = script.Summary.of(cells, "m")
    assert (summary.n_cells, summary.above_1_00, summary.above_1_10) == (3, 2, 1)
    assert summary.worst == pytest.approx(3.0)
    assert (summary.worst_kind, summary.worst_noise) == ("pads", "0")
    assert summary.geometric_mean == pytest.approx((0.5 * 3 * 1.05) ** (1 / 3))
    table = script.table(cells, ["m"])
    assert "| pads | 0 | 0.3000 | 0.5000 | 0.1000 | **3.00** |" in table
    assert "2 above 1.00 and 1 above 1.10" in table


def test_it_writes_tables_and_figures(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other tests keep their threads.
    monkeypatch.setattr(torch, "set_num_threads", lambda _n: None)
    script.main(["-n", "1", "-o", str(tmp_path / "out"), "--kinds", "discs"])
    facts = json.loads((tmp_path / "out" / "kinds.json").read_text())
    assert [cell["noise"] for cell in facts["cells"]] == list(NOISES)
    for cell in facts["cells"]:
        assert set(cell["errors"]) == {"vit", "fttc", "bayesian-fttc"}
        assert 0 < cell["ratios"]["vit"] < 1
    text = (tmp_path / "out" / "kinds.md").read_text()
    assert f"| discs | {' | '.join(_two(cell) for cell in facts['cells'])} |" in text


def _two(cell: dict[str, dict[str, float]]) -> str:
    return f"{cell['ratios']['vit']:.2f}"
