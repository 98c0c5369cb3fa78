from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

import napari_vit_tfm
from napari_vit_tfm.cli.main import COMMANDS, main
from napari_vit_tfm.errors import TFMError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name}")


def test_commands_are_listed() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    listed = result.output.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line] == list(COMMANDS)
    assert "..." not in listed


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert napari_vit_tfm.__version__ in result.output


def test_without_a_command_help_is_shown() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_wrong_commands_and_options(error_of: Callable[..., str]) -> None:
    assert "No such command 'reconstruct'" in error_of("reconstruct")
    assert "No such option" in error_of("predict", "--youngs", "3")
    assert "Missing argument 'INPUT...'" in error_of("predict")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TFMError("two\n  lines"), "two lines"),
        (
            FileNotFoundError(2, "No such file or directory", "a.toml"),
            "a.toml: No such",
        ),
        (OSError("as it is"), "as it is"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] can't allocate memory"), "not enough memory"),
        (torch.OutOfMemoryError(), "not enough memory on the GPU"),
        (KeyError("x"), "unexpected KeyError: 'x' (vit-tfm --traceback"),
    ],
)
def test_errors_are_one_line(
    error_of: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    line: str,
) -> None:
    @click.command("info")
    def command() -> None:
        raise error

    monkeypatch.setattr("napari_vit_tfm.cli.info.command", command)
    assert line in error_of("info")
    result = CliRunner().invoke(main, ["--traceback", "info"])
    assert result.exception is error


def test_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("info")
    def command() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_vit_tfm.cli.info.command", command)
    assert CliRunner().invoke(main, ["info"]).exit_code == 130


def test_names_that_the_output_cannot_show_are_escaped(tmp_path: Path) -> None:
    # As output to a file on Windows.
    path = tmp_path / "\u7ec6\u80de.npy"
    np.save(path, np.ones((1, 8, 8, 2)))
    answer = subprocess.run(
        [sys.executable, "-m", "napari_vit_tfm", "info", str(path)],
        capture_output=True,
        encoding="cp1252",
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    assert answer.returncode == 0, answer.stderr
    assert r"\u7ec6\u80de.npy" in answer.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    answer = subprocess.run(
        [sys.executable, "-m", "napari_vit_tfm", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert answer.returncode == 1
    assert answer.stderr == ""


def test_the_installed_command_is_this_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    name, target = next(iter(project["scripts"].items()))
    assert EntryPoint(name, target, "console_scripts").load() is main


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from napari_vit_tfm.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert answer.returncode == 0
