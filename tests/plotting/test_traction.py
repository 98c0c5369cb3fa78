from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.plotting.traction import TractionPlot

SPACING_UM = 0.5


def stack() -> TractionStack:
    """300 Pa to the right at row 1, column 2; then 400 Pa downwards there."""
    data = np.zeros((2, 10, 12, 2))
    data[0, 1, 2, 0], data[1, 1, 2, 1] = 300.0, 400.0
    data[:, 5, 6] = np.nan
    return TractionStack(data, unit="Pa", spacing_um=SPACING_UM)


def arrows(plot: TractionPlot) -> list[tuple[float, float, float, float]]:
    """Position and components of all arrows."""
    (quiver,) = plot.figure.axes[0].collections
    at = np.asarray(quiver.get_offsets())
    shown = ~np.ma.getmaskarray(np.ma.masked_array(quiver.U, quiver.Umask))
    numbers = zip(*at[shown].T, quiver.U[shown], quiver.V[shown], strict=True)
    return [tuple(map(float, arrow)) for arrow in numbers]  # type: ignore[misc]


def test_the_image_has_y_downwards_and_lengths_of_the_specimen() -> None:
    plot = TractionPlot(stack())
    axes = plot.figure.axes[0]
    (image,) = axes.images
    assert image.origin == "upper"
    assert image.get_extent() == [-0.25, 5.75, 4.75, -0.25]
    assert axes.get_ylim() == (4.75, -0.25)
    shown = np.ma.masked_invalid(image.get_array())
    assert (shown[1, 2], shown.sum()) == (300.0, 300.0)
    assert shown.mask[5, 6]
    to_pixels = axes.transData.transform
    assert to_pixels((0, 0))[1] > to_pixels((0, 4))[1]


def test_arrows_point_where_the_traction_does() -> None:
    plot = TractionPlot(stack())
    at = 2 * SPACING_UM, 1 * SPACING_UM
    assert arrows(plot) == [(*at, 300.0, 0.0)]
    plot.show(1)
    assert arrows(plot) == [(*at, 0.0, 400.0)]
    (quiver,) = plot.figure.axes[0].collections
    # With y downwards, "uv" would turn the arrow over.
    assert (quiver.angles, quiver.scale_units) == ("xy", "xy")


def test_all_frames_have_one_scale() -> None:
    plot = TractionPlot(stack())
    image = plot.figure.axes[0].images[0]
    for frame in (0, 1):
        plot.show(frame)
        assert image.get_clim() == (0.0, 400.0)
    assert plot.figure.axes[0].get_title() == "frame 1 (0 to 1)"


def test_a_limit_cuts_colours_and_arrows_off() -> None:
    plot = TractionPlot(stack(), limit=100.0)
    assert plot.figure.axes[0].images[0].get_clim() == (0.0, 100.0)
    assert [arrow[2] for arrow in arrows(plot)] == [pytest.approx(100.0)]


def test_scales_have_units() -> None:
    axes, colour_bar = TractionPlot(stack()).figure.axes
    assert colour_bar.get_ylabel() == "traction (Pa)"
    (bar,), (text,) = axes.lines, axes.texts
    assert np.ptp(np.asarray(bar.get_xdata(), dtype=float)) == 2.0
    assert text.get_text() == "2 \xb5m"
    unknown = replace(stack(), unit="1", spacing_um=None)
    axes, colour_bar = TractionPlot(unknown).figure.axes
    assert colour_bar.get_ylabel() == "traction / Young's modulus"
    assert axes.texts[0].get_text() == "2 grid steps"


def test_a_field_without_traction() -> None:
    plot = TractionPlot(TractionStack(np.zeros((1, 8, 8, 2))))
    assert arrows(plot) == []
    assert plot.limit == 1.0
    assert plot.figure.axes[0].get_title() == ""


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(FieldError, match="all tractions are missing"):
        TractionPlot(TractionStack(np.full((1, 8, 8, 2), np.nan)))
    with pytest.raises(FieldError, match="the limit must be a positive number"):
        TractionPlot(stack(), limit=0)
    with pytest.raises(FieldError, match="no frame 2: the frames are 0 to 1"):
        TractionPlot(stack()).show(2)
