"""The table of experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_vit_tfm.batch import read_experiments
from napari_vit_tfm.errors import ConfigError


def table(folder: Path, text: str) -> Path:
    path = folder / "experiments.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_known_columns_are_used_and_others_carried_through(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "\ufefffile,mask,young_pa,spacing_um,unit,y,condition,dish\r\n"
        "a/cell.h5,a/cell.tif,8e3,0.5,px,up,drug,3\r\n"
        "\r\n"
        "b/cell.h5,,,,,,control,4\r\n",
    )
    first, second = read_experiments(path)
    assert (first.name, second.name) == ("a_cell", "b_cell")
    assert first.file == tmp_path / "a" / "cell.h5"
    assert first.mask == tmp_path / "a" / "cell.tif"
    assert (first.gel.young_pa, first.spacing_um) == (8000, 0.5)
    assert (first.unit, first.y) == ("px", "up")
    assert dict(first.labels) == {"condition": "drug", "dish": "3"}
    assert (second.mask, second.gel.young_pa, second.unit) == (None, None, None)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_decimal_commas(tmp_path: Path, separator: str) -> None:
    lines = [separator.join(row) for row in (["file", "poisson"], ["a.h5", "0,45"])]
    (one,) = read_experiments(table(tmp_path, "\n".join(lines)))
    assert one.gel.poisson == 0.45


def test_the_same_file_twice_has_two_names(tmp_path: Path) -> None:
    path = table(tmp_path, "file,dataset\nd/a.h5,one\nd/a.h5,two\nd/b.h5,\n")
    assert [one.name for one in read_experiments(path)] == ["d_a", "d_a_2", "b"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("path,young_pa\na,1\n", "called 'file'"),
        ("file,x,x\na,1,2\n", "twice"),
        ("file,frame\na,1\n", "a column 'frame' of its own"),
        ("file,leak\na,1\n", "a column 'leak' of its own"),
        ("file,young_pa\n", "no rows"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_experiments(table(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,young_pa\na.h5,soft\n", "line 2: young_pa is 'soft', expected a number"),
        ("file,young_pa\na.h5,-5\n", "line 2: Young's modulus must be above 0"),
        ("file,unit\na.h5,inch\n", "unit is 'inch', expected one of um, grid"),
        ("file,y\na.h5,north\n", "expected down or up"),
        ("file,y\n,up\n", "the file is missing"),
        ("file,y\na.h5\n", "found 1 fields, but the header has 2"),
        ("file;young_pa\na.h5;8.000\n", "can be read in two ways"),
    ],
)
def test_a_row_that_is_wrong_fails_alone(
    tmp_path: Path, text: str, reason: str
) -> None:
    separator = ";" if ";" in text else ","
    bad, good = read_experiments(table(tmp_path, f"{text}b.h5{separator}\n"))
    assert re.search(reason, bad.error)
    assert (good.name, good.error) == ("b", "")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_tables_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "experiments.csv"
    text = "sep=;\r\nFile;Condition;young_PA\r\na.h5;contr\u00f4le;8000,5\r\n"
    path.write_bytes(text.encode(encoding))
    (one,) = read_experiments(path)
    assert one.gel.young_pa == 8000.5
    assert dict(one.labels) == {"Condition": "contr\u00f4le"}
