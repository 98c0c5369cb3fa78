"""Tables of quantities and adhesions."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.quantities import (
    Adhesion,
    Origin,
    Row,
    Table,
    side_by_side,
    table_of_adhesions,
    table_of_rows,
    write_table,
)
from napari_vit_tfm.quantities.measure import columns_of
from napari_vit_tfm.quantities.tables import TableKind, check_table, is_table_of

COLUMNS = ["total_force_nN", "leak"]


def row(frame: int, cell: int, force: float) -> Row:
    return Row(
        frame, cell, dict(zip(COLUMNS, (force, math.nan), strict=True)), ("border",)
    )


def test_tractions_side_by_side_are_written_with_field_and_method(
    tmp_path: Path,
) -> None:
    origins = [Origin("one", "ViT"), Origin("one", "FTTC"), Origin("two", "ViT")]
    tables = [
        table_of_rows(COLUMNS, [row(0, 1, 1.5), row(0, 2, 1 / 3)], origin=origin)
        for origin in origins
    ]
    path = tmp_path / "table.csv"
    write_table(path, side_by_side(tables))
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == ["field", "method", "frame", "cell", *COLUMNS, "flags"]
    assert [(line["field"], line["method"], line["cell"]) for line in lines] == [
        *(("one", "ViT", "1"), ("one", "FTTC", "1"), ("two", "ViT", "1")),
        *(("one", "ViT", "2"), ("one", "FTTC", "2"), ("two", "ViT", "2")),
    ]
    assert (lines[-1]["total_force_nN"], lines[-1]["leak"]) == ("0.3333333", "")


def test_one_table_needs_no_names() -> None:
    nodes = np.zeros((2, 2), dtype=int)
    adhesion = Adhesion(3, 1, 2, {"force_nN": 1.0}, nodes)
    table = table_of_adhesions(["force_nN"], [adhesion])
    assert table.header == ("frame", "cell", "adhesion", "force_nN")
    assert table.lines == [(3, 1, 2, 1.0)]


def test_tables_with_other_columns_do_not_fit() -> None:
    tables = [
        Table(("frame", "cell", unit), []) for unit in ("area_um2", "area_steps2")
    ]
    with pytest.raises(ValueError, match="same columns"):
        side_by_side(tables)


def test_a_table_is_known_by_its_header_and_its_source(tmp_path: Path) -> None:
    path, source = tmp_path / "table.csv", tmp_path / "data" / "cell.h5"

    def is_own(kind: TableKind = "quantities", of: Path = source) -> bool:
        return is_table_of(path, kind, of)

    assert not is_own()
    whole = TractionStack(np.ones((1, 8, 8, 2)), unit="Pa")
    row = Row(0, 1, {}, ())
    for stack in (whole, replace(whole, spacing_um=0.5)):
        columns = columns_of(stack)
        table = table_of_rows(columns, [row, row], with_intervals=True)
        write_table(path, table, source=source)
        assert path.read_text().splitlines()[1].endswith(",data/cell.h5")
        assert is_own()
        assert not is_own("adhesions")
        assert not is_own(of=tmp_path / "cell.h5")
        with path.open("a") as stream:
            stream.write("0,1,other.h5\n")
        assert not is_own()
        write_table(path, table)
        assert not is_own()
        table = table_of_rows(columns[1:], [row], with_intervals=True)
        write_table(path, table, source=source)
        assert not is_own()
    # Nothing is lost.
    write_table(path, table_of_rows(columns, [], with_intervals=True), source=source)
    assert is_own(of=tmp_path / "cell.h5")


def test_other_files_are_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content in (b"frame,cell,\xff\n", b"", b"source\n", b'"a\n'):
        path.write_bytes(content)
        assert not is_table_of(path, "changes", path)
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert not is_table_of(path, "changes", path)


def test_a_table_overwrites_no_input(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.touch()
    assert check_table(path) == path
    with pytest.raises(FieldFileError, match="is an input file"):
        check_table(path, inputs=[tmp_path / "." / "table.csv"])
