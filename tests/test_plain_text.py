"""Names from files, where they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import napari_vit_tfm.cli
from napari_vit_tfm.plain_text import (
    escaped,
    for_figure,
    for_spreadsheet,
    without_tags,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("bell\x07 nul\x00 del\x7f", r"bell\x07 nul\x00 del\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202efdp.exe", r"\u202efdp.exe"),
        ("not UTF-8: \udcff", r"not UTF-8: \udcff"),
        ("Zelle 5 µm, 細胞.h5", "Zelle 5 µm, 細胞.h5"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert escaped(text) == shown
    shown.encode("utf-8")


def test_ends_of_lines_are_kept_where_there_are_lines() -> None:
    assert escaped("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


def test_comparisons_are_no_tags() -> None:
    assert without_tags("1 < 2, 3 > 2") == "1 < 2, 3 > 2"
    assert "<" not in without_tags("a<IMG src='x'>")


@pytest.mark.parametrize("name", ["$\\frac$", "5$ and $6", "one $", "^_{"])
def test_a_figure_shows_a_name_as_it_is(name: str) -> None:
    figure = Figure()
    text = figure.text(0, 0, for_figure(name))
    figure.canvas.draw()
    shown, is_math = text._preprocess_math(text.get_text())
    assert (shown, is_math) == (name, False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd", "'+1+cmd"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("-3.5e-07", "-3.5e-07"),
        ("+2", "+2"),
        ("day 1", "day 1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_has_no_formulas(text: str, shown: str) -> None:
    assert for_spreadsheet(text) == shown


def test_all_that_commands_print_is_escaped() -> None:
    (folder,) = map(Path, napari_vit_tfm.cli.__path__)
    for path in folder.glob("*.py"):
        for call in re.findall(r"click\.s?echo\(.*|\bprint\(.*", path.read_text()):
            # The progress, and `echo` itself.
            assert call.endswith("nl=False)") or call.startswith("click.echo(escaped(")
