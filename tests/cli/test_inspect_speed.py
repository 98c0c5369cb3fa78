"""The command that measures the plugin; the plugin's part is tested with it."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from napari_vit_tfm.cli import inspect_speed


@pytest.fixture
def calls(monkeypatch):
    made = []

    def run(command, **_options):
        made.append(command)
        return subprocess.CompletedProcess(command, 0 if len(made) == 1 else 3)

    monkeypatch.setattr(inspect_speed, "find_spec", lambda name: name)
    monkeypatch.setattr(subprocess, "run", run)
    return made


def test_another_python_measures_where_there_is_a_display(calls, monkeypatch, tmp_path):
    monkeypatch.setenv("DISPLAY", ":7")
    inspect_speed.measure_inspection(tmp_path)
    module = "napari_vit_tfm.napari.inspection_speed"
    assert calls == [[sys.executable, "-m", module, str(tmp_path)]]
    with pytest.raises(click.ClickException, match="ended with 3"):
        inspect_speed.measure_inspection(tmp_path)


def test_without_a_display_a_virtual_one_is_used_or_asked_for(
    calls, monkeypatch, tmp_path
):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(inspect_speed, "which", lambda name: f"/usr/bin/{name}")
    inspect_speed.measure_inspection(tmp_path)
    assert calls[0][0] == "xvfb-run"
    monkeypatch.setattr(inspect_speed, "which", lambda name: None)
    with pytest.raises(click.ClickException, match="no display"):
        inspect_speed.measure_inspection(tmp_path)


def test_without_napari_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(inspect_speed, "find_spec", lambda name: None)
    with pytest.raises(click.ClickException, match="not installed"):
        inspect_speed.measure_inspection(tmp_path)
