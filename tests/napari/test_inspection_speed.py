"""The script that measures the speed of the inspector."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inspection_speed.py"


@pytest.mark.usefixtures("needs_display", "plugin")
def test_the_inspector_is_timed_in_a_window(tmp_path, capsys):
    spec = spec_from_file_location("inspection_speed", SCRIPT)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main(["-o", str(tmp_path), "--clicks", "2"]) == 0
    found = json.loads((tmp_path / "inspect.json").read_text(encoding="utf-8"))
    # Clicks in two frames; then as many clicks as steps of the slider.
    counts = {"first_click": 2, "same_frame": 4, "redraw": 4, "attention": 2}
    for name, count in counts.items():
        values = found[f"{name}_all_ms"]
        assert len(values) == count
        assert found[f"{name}_ms"] == pytest.approx(np.median(values))
        assert min(values) > 0
    redraw, attention = found["redraw_ms"], found["attention_ms"]
    assert found["same_frame_to_redraw"] == pytest.approx(
        found["same_frame_ms"] / redraw
    )
    assert found["first_click_to_redraw_and_attention"] == pytest.approx(
        found["first_click_ms"] / (redraw + 1.3 * attention)
    )
    assert "(bar 1.3)" in capsys.readouterr().out
