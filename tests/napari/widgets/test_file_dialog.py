from __future__ import annotations

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save

KINDS = {"Figure": (".png",), "HDF5": (".h5", ".hdf5")}


@pytest.fixture
def ask(qtbot, tmp_path, monkeypatch):
    """Function that opens the dialogue with given answers; returns file, questions."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def with_answers(typed, kind, *, replace=False):
        asked = []

        def get_name(_, title, suggestion, filters):
            asked.append((title, suggestion, filters))
            return (str(tmp_path / typed) if typed else ""), kind

        def question(_, __, text):
            asked.append(text)
            buttons = QMessageBox.StandardButton
            return buttons.Yes if replace else buttons.No

        monkeypatch.setattr(QFileDialog, "getSaveFileName", get_name)
        monkeypatch.setattr(QMessageBox, "question", question)
        return ask_where_to_save(parent, "Save it", "it.png", KINDS), asked

    return with_answers


@pytest.mark.parametrize(
    ("typed", "kind", "written"),
    [
        ("out.h5", "Figure (*.png)", "out.h5"),
        ("out", "Figure (*.png)", "out.png"),
        ("out", "HDF5 (*.h5 *.hdf5)", "out.h5"),
        ("cell 0.5um", "Figure (*.png)", "cell 0.5um.png"),
        ("OUT.HDF5", "Figure (*.png)", "OUT.HDF5"),
        # Some systems do not return the kind.
        ("out", "", "out.png"),
    ],
)
def test_the_extension_of_the_kind_is_added(ask, tmp_path, typed, kind, written):
    path, asked = ask(typed, kind)
    assert path == tmp_path / written
    assert asked == [("Save it", "it.png", "Figure (*.png);;HDF5 (*.h5 *.hdf5)")]


@pytest.mark.parametrize("replace", [True, False])
def test_replacing_a_file_is_confirmed_after_an_extension_is_added(
    ask, tmp_path, replace
):
    (tmp_path / "keep.h5").write_text("precious")
    path, asked = ask("keep", "HDF5 (*.h5 *.hdf5)", replace=replace)
    assert asked[1:] == ["keep.h5 already exists. Replace it?"]
    assert path == (tmp_path / "keep.h5" if replace else None)
    # The dialogue itself has asked about a complete name.
    path, asked = ask("keep.h5", "HDF5 (*.h5 *.hdf5)")
    assert (path, len(asked)) == (tmp_path / "keep.h5", 1)


def test_cancelling_returns_none(ask):
    assert ask("", "")[0] is None
