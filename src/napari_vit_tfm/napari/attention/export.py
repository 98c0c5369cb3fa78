"""Export the results for a patch to a file or to the clipboard."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication

from napari_vit_tfm.attention.export import write_findings
from napari_vit_tfm.attention.patch import PatchFindings
from napari_vit_tfm.io import check_output, check_writable

_DPI = 150


def save(path: Path, findings: PatchFindings, *, inputs: Iterable[str]) -> None:
    """Write a figure, or the data that it is drawn from.

    Parameters
    ----------
    path : Path
        The file. The extension .png selects a figure; .h5, .hdf5 and .npz select
        the data.
    findings : PatchFindings
        The results.
    inputs : iterable of str, keyword-only
        Files that must not be overwritten, because the data were read from them.

    Raises
    ------
    FieldFileError
        If the extension is not supported, or the file is an input.
    OSError
        If the file cannot be written.
    """
    if path.suffix.lower() == ".png":
        from napari_vit_tfm.attention.figures import findings_figure
        from napari_vit_tfm.plotting import write_png

        check_writable(path, inputs=inputs)
        write_png(path, findings_figure(findings))
    else:
        target = check_output(path, inputs=inputs, any_array=True)
        write_findings(target, findings)


def copy_figure(findings: PatchFindings) -> None:
    """Copy the figure to the clipboard.

    Parameters
    ----------
    findings : PatchFindings
        The results.
    """
    from napari_vit_tfm.attention.figures import findings_figure

    picture = BytesIO()
    findings_figure(findings).savefig(picture, format="png", dpi=_DPI)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    clipboard.setImage(QImage.fromData(picture.getvalue(), "PNG"))
