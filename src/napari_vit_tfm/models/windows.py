"""Large fields in overlapping windows.

A displacement is not local: forces outside a window displace the gel inside it. A
window alone cannot tell them from its own forces, so long waves would be lost. The
tractions of the whole field are therefore first computed with Bayesian FTTC. What its
tractions outside a window displace inside it is subtracted from the window's
displacement. The method then reconstructs what is left, and the tractions of all
windows are averaged with smooth weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_vit_tfm.config import WindowConfig
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.physics.bayesian import bayesian_fttc
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.physics.raster import raster_displacement

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """A part of a field.

    Parameters
    ----------
    rows, columns : slice
        Its nodes.
    weights : array of shape (h, w)
        Weight of its tractions in the mean over all windows.
    """

    rows: slice
    columns: slice
    weights: FloatArray


@dataclass(frozen=True)
class Windows:
    """Overlapping windows of equal size that cover a field.

    Along an axis that is not longer than `WindowConfig.side`, a window is as long as
    the field.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the field.
    config : WindowConfig
        Size and overlap.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.models.windows import Windows
    >>> windows = Windows((300, 40))
    >>> [(window.rows.start, window.rows.stop) for window in windows]
    [(0, 128), (57, 185), (115, 243), (172, 300)]
    >>> len(windows), windows.shape_of_each
    (4, (128, 40))

    The weights add up to one at each node:

    >>> total = np.zeros(windows.shape)
    >>> for window in windows:
    ...     total[window.rows, window.columns] += window.weights
    >>> bool(np.allclose(total, 1.0))
    True
    """

    shape: tuple[int, int]
    config: WindowConfig = field(default_factory=WindowConfig)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._along_rows) * len(self._along_columns)

    def __iter__(self) -> Iterator[Window]:
        """The windows, row by row."""
        for rows, of_row in self._along_rows:
            for columns, of_column in self._along_columns:
                yield Window(rows, columns, np.outer(of_row, of_column))

    @property
    def shape_of_each(self) -> tuple[int, int]:
        """Rows and columns of a window."""
        rows, columns = (min(n, self.config.side) for n in self.shape)
        return rows, columns

    @cached_property
    def _along_rows(self) -> list[tuple[slice, FloatArray]]:
        return _intervals(self.shape[0], self.config)

    @cached_property
    def _along_columns(self) -> list[tuple[slice, FloatArray]]:
        return _intervals(self.shape[1], self.config)


def _intervals(n: int, config: WindowConfig) -> list[tuple[slice, FloatArray]]:
    """Intervals that cover an axis of `n` nodes, and the weights of their nodes."""
    side = min(n, config.side)
    count = 1 + -(-(n - side) // (config.side - config.overlap))
    starts = np.rint(np.linspace(0, n - side, count)).astype(int).tolist()
    intervals = [slice(start, start + side) for start in starts]
    weights = [
        _taper(side, config, is_first=i == 0, is_last=i == count - 1)
        for i in range(count)
    ]
    total = np.zeros(n)
    for interval, weight in zip(intervals, weights, strict=True):
        total[interval] += weight
    return [
        (interval, weight / total[interval])
        for interval, weight in zip(intervals, weights, strict=True)
    ]


def _taper(
    side: int, config: WindowConfig, *, is_first: bool, is_last: bool
) -> FloatArray:
    """Weights that fall to zero towards the next windows, but not at the border."""
    to_edge = np.arange(side) + 0.5
    ramp = (to_edge - config.margin) / (config.overlap - 2 * config.margin)
    rising = np.ones(side) if is_first else np.clip(ramp, 0, 1)
    falling = np.ones(side) if is_last else np.clip(ramp[::-1], 0, 1)
    return np.asarray(np.sin(np.pi / 2 * np.minimum(rising, falling)) ** 2)


def traction_of(
    method: ReconstructionMethod,
    displacement: Tensor,
    *,
    noise: Noise | None = None,
    batch_size: int,
    check: Callable[[], None],
) -> Tensor:
    """Tractions ``t / E`` of fields of any size, in windows where they are needed.

    Parameters
    ----------
    method : ReconstructionMethod
        The method.
    displacement : tensor of shape (N, 2, H, W)
        Displacements ``u / L``.
    noise : Noise, keyword-only, optional
        Their noise, in grid steps, if it is known; see
        `ReconstructionMethod.traction_at_noise`.
    batch_size : int, keyword-only
        Number of windows that are reconstructed at once.
    check : callable, keyword-only
        Called before every batch of windows; it may raise an exception to stop.

    Returns
    -------
    tensor of shape (N, 2, H, W)
    """
    shape = displacement.shape[-2], displacement.shape[-1]
    if not method.needs_windows(shape):
        if noise is None:
            return method.traction(displacement)
        return method.traction_at_noise(displacement, noise)
    found = [
        traction_in_windows(
            method.traction,
            frame,
            windows=Windows(shape),
            batch_size=batch_size,
            check=check,
        )
        for frame in displacement
    ]
    return torch.stack(found)


def traction_in_windows(
    solve: Callable[[Tensor], Tensor],
    displacement: Tensor,
    *,
    windows: Windows,
    batch_size: int,
    check: Callable[[], None],
) -> Tensor:
    """Traction of one field, reconstructed in windows.

    Parameters
    ----------
    solve : callable
        Function from displacements ``u / L`` to tractions ``t / E``, both
        ``(N, 2, h, w)``.
    displacement : tensor of shape (2, H, W)
        Displacement ``u / L``.
    windows : Windows, keyword-only
        Windows that cover the field.
    batch_size, check : keyword-only
        As for `traction_of`.

    Returns
    -------
    tensor of shape (2, H, W)
    """
    steps = displacement * (windows.shape[1] - 1)
    steps = steps - steps.mean(dim=(1, 2), keepdim=True)
    first = torch.stack(bayesian_fttc(*steps))  # (2, H, W)
    # The displacement, without what the first solution explains.
    unexplained = steps - _displacement_of(first)
    to_width = windows.shape_of_each[1] - 1
    traction = torch.zeros_like(steps)
    waiting = list(windows)
    while waiting:
        check()
        batch, waiting = waiting[:batch_size], waiting[batch_size:]
        own = _displacement_of(_parts(first, batch))
        found = solve((_parts(unexplained, batch) + own) / to_width)
        for window, part in zip(batch, found, strict=True):
            weights = torch.from_numpy(window.weights).to(part)
            traction[:, window.rows, window.columns] += weights * part
    return traction


def _parts(whole: Tensor, windows: list[Window]) -> Tensor:
    """Parts of a field ``(2, H, W)`` in windows, ``(N, 2, h, w)``."""
    return torch.stack([whole[:, window.rows, window.columns] for window in windows])


def _displacement_of(traction: Tensor) -> Tensor:
    """Displacement of tractions ``(..., 2, H, W)``, in grid steps."""
    return torch.stack(raster_displacement(*traction.unbind(dim=-3)), dim=-3)
