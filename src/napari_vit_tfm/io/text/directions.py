"""Direction of the y axis of a table, as far as the order of its lines tells."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.config import YDirection
from napari_vit_tfm.gridding import FloatArray
from napari_vit_tfm.io.base import unless_given


def order_of_y(positions: FloatArray) -> int:
    """1 if the first line has the smallest y and the last the largest, -1 if reversed.

    It is 0 for any other order.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.io.text.directions import order_of_y
    >>> order_of_y(np.array([[0, 16], [8, 16], [0, 8], [8, 8]]))
    -1
    """
    y = positions[np.isfinite(positions).all(axis=1), 1]
    if not y.size:
        return 0
    if (y[0], y[-1]) == (y.min(), y.max()):
        return 1
    return -1 if (y[0], y[-1]) == (y.max(), y.min()) else 0


def openpiv_direction(positions: FloatArray) -> tuple[YDirection, tuple[str, ...]]:
    """Direction of y in a file of OpenPIV, and a note about it."""
    if order_of_y(positions) > 0:
        return "down", (
            "the first line has the smallest y, unlike in most files of OpenPIV: y is "
            f"taken as pointing down ({unless_given('up')})",
        )
    return "up", (
        "y is taken as pointing up, as in most files of OpenPIV "
        f"({unless_given('down')})",
    )


def davis_direction(positions: FloatArray) -> tuple[YDirection, tuple[str, ...]]:
    """Direction of y in a file of DaVis, whose first line is at the top of the image.

    A note is about y that points up.
    """
    if order_of_y(positions) >= 0:
        return "down", ()
    return "up", (
        "the first line has the largest y, as in files of DaVis with a scale: y is "
        f"taken as pointing up ({unless_given('down')})",
    )
