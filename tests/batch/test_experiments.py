"""The table of experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_vit_tfm.batch import experiments_of, read_experiments
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


def names_of(folder: Path, text: str) -> list[str]:
    return [one.name for one in read_experiments(table(folder, text))]


def test_other_rows_do_not_change_a_name(tmp_path: Path) -> None:
    rows = ["b/cell.h5,", "cell.h5,", "a/b/cell.h5,", "c.h5,u", "c.h5,v"]
    names = ["b_cell", "cell", "a_b_cell", "c_u", "c_v"]
    for order in ([0], [3, 1], [2, 0, 1], [4, 3, 2, 1, 0]):
        text = "\n".join(["file,dataset", *(rows[k] for k in order)])
        assert names_of(tmp_path, text) == [names[k] for k in order]


def test_files_outside_the_folder_of_the_table_have_names(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    film = tmp_path / "2024.03.01"
    film.mkdir()
    text = f"file\n../raw/cell.h5\n{tmp_path}/cell.h5\n{film}\n"
    assert names_of(tmp_path / "tables", text) == ["raw_cell", "cell", "2024.03.01"]


def test_equal_names_get_numbers(tmp_path: Path) -> None:
    text = "file,mask\nd/a.h5,m1.tif\nd/a.h5,m2.tif\nd/A.h5,\nd_a.h5,\n"
    assert names_of(tmp_path, text) == ["d_a", "d_a_2", "d_A_3", "d_a_4"]


def test_the_table_may_give_names(tmp_path: Path) -> None:
    path = table(tmp_path, "file,Experiment\nb.h5,\na.h5,b\na.h5,B\na.h5,a/b\n")
    first, second, same, bad = read_experiments(path)
    assert (first.name, second.name) == ("b_2", "b")
    assert (first.error, second.error) == ("", "")
    assert "line 4: the experiment 'B' is there twice" in same.error
    assert "cannot be the name of a folder" in bad.error
    assert len({one.name for one in (first, second, same, bad)}) == 4
    assert not second.labels


def test_experiments_of_files(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a/d.h5", "b/d.h5", "e.h5")]
    found = experiments_of(files, tmp_path / "results")
    assert [one.name for one in found] == ["a_d", "b_d", "e"]
    assert [one.file for one in found] == files
    with pytest.raises(ConfigError, match="is given twice"):
        experiments_of([files[0], files[0]], tmp_path)


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
        ("file,young_pa\na.h5,soft\n", "line 2: young_pa must be a number, not 'soft'"),
        ("file,young_pa\na.h5,-5\n", "line 2: young_pa must be above 0.001"),
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file\n" + "a" * 200_000 + "\n", "not a table"),
        ("file\na\0.h5\n", "no file can have the name"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    path = table(tmp_path, text)
    try:
        (bad,) = read_experiments(path)
        found = bad.error
    except ConfigError as error:
        found = str(error)
    assert reason in found


def test_a_file_that_is_there_very_often(tmp_path: Path) -> None:
    path = table(tmp_path, "file\n" + "a.h5\n" * 20_000)
    names = [one.name for one in read_experiments(path)]
    assert names[:3] == ["a", "a_2", "a_3"]
    assert len(set(names)) == 20_000


@pytest.mark.parametrize("row", ["\0,", "a\0.h5,", "a.h5,m\0.png"])
def test_names_that_no_file_can_have(tmp_path: Path, row: str) -> None:
    (one,) = read_experiments(table(tmp_path, f"file,mask\n{row}\n"))
    assert "no file can have the name" in one.error
    assert "\0" not in str(one.file)
    assert one.mask is None
