"""What a residual has beyond the noise: long waves, and local places.

A reconstruction never leaves noise alone. Its own error is allowed for in proportion to
the displacement that the tractions cause; the proportions were measured on simulated
fields, see `benchmarks/residual_alarms.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.trust.points import PointOfDivergence, point_of_divergence
from napari_vit_tfm.trust.whitening import (
    cosine_modes,
    from_cosine_modes,
    noise_of_modes,
)

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LONG = 4.0
"""A wave is long if its wavelength is at least ``2 / _LONG`` of the field's side, the
square root of its area."""

_NOISE_OF_LONG_WAVES = 9.0
"""Squared long waves that are allowed, relative to those of the noise."""

_LONG_WAVES_OF_NOISE = 0.2
"""Long waves that are allowed, relative to the noise: the tractions follow the noise,
and their displacement has long waves."""

_ERROR_OF_LONG_WAVES = 0.045
"""Long waves that are allowed, relative to the displacement of the tractions."""

_WINDOW = 1.5
"""Standard deviation of the Gaussian window of local squares, in grid steps."""

_SURROUNDINGS = 3.0
"""The same for the squares of the displacement around a place."""

_CHANCE = 1e-3
"""Probability of a place in a field of noise."""

_NOISE_MARGIN = 1.25
"""Noise is seldom equal everywhere: its local variance may be this much larger."""

_LOCAL_ERROR = 0.5
"""Local residual that is allowed, relative to the displacement around it."""

_EVERYWHERE = 0.03
"""Share of the mean square displacement that is added to that around a place."""

_GRADIENT = 0.85
"""Share of the long waves above which they are called a rotation, or a strain."""

_AT_BORDER = 2.0
"""Mean square in a strip at the border, relative to that inside, above which long waves
are called strongest at this border."""

_STRIP = 0.15
"""Width of this strip, relative to the side."""

SIDES = ("upper", "lower", "left", "right")
"""Names of the sides of a field."""


@dataclass(frozen=True)
class LongWaves:
    """The part of a residual in waves that are longer than half of the field.

    Parameters
    ----------
    size : float
        Root of its mean square length, in grid steps.
    expected : float
        Largest size that noise and the error of the method explain, in grid steps.
    rotation : float
        Rotation in radians, counter-clockwise on the screen; 0 if it is only a small
        part.
    strain : float
        Largest stretch of a uniform strain; 0 if it is only a small part.
    side : str
        The side of the field at which they are strongest, one of `SIDES`; empty if
        there is none.
    """

    size: float
    expected: float
    rotation: float = 0.0
    strain: float = 0.0
    side: str = ""

    @property
    def is_unexplained(self) -> bool:
        """Whether they are larger than expected."""
        return self.size > self.expected

    @property
    def is_motion(self) -> bool:
        """Whether they are a rotation or a uniform strain."""
        return self.rotation != 0 or self.strain != 0


@dataclass(frozen=True)
class Place:
    """A place where the residual is larger than noise and the method's error explain.

    Parameters
    ----------
    x, y : float
        Its centre in grid steps, from the first node on.
    width : float
        Diameter of a circle of the same area, in grid steps.
    size : float
        Root of the mean square length of the residual in it, in grid steps.
    side : str
        The side of the field that it touches, one of `SIDES`; empty if it touches none.
    """

    x: float
    y: float
    width: float
    size: float
    side: str = ""


@dataclass(frozen=True)
class Remainder:
    """What a residual has beyond the noise.

    Parameters
    ----------
    long_waves : LongWaves
        Its long waves.
    places : tuple of Place
        Places where it is unexplained; that with the largest squares first.
    point : PointOfDivergence, optional
        The point from or towards which most of it points, if there is one.
    """

    long_waves: LongWaves
    places: tuple[Place, ...]
    point: PointOfDivergence | None = None

    @property
    def is_unexplained(self) -> bool:
        """Whether there is anything that noise and the method do not explain."""
        return self.long_waves.is_unexplained or bool(self.places)


def remainder_of(
    model: npt.NDArray[np.floating],
    residual: npt.NDArray[np.floating],
    *,
    variance: float,
    length: float = 0.0,
    allowance: float = 1.0,
) -> Remainder:
    """Find what a residual has beyond the noise.

    Parameters
    ----------
    model, residual : arrays of shape (H, W, 2)
        The displacement that the tractions cause, and the residual, in grid steps.
    variance, length : float, keyword-only
        Noise of the displacement, as for `physics.noise.Noise`.
    allowance : float, keyword-only
        Error of the method, relative to that of the bundled network.

    Returns
    -------
    Remainder

    Examples
    --------
    A residual of noise alone, and one with a place that is wrong:

    >>> import numpy as np
    >>> from napari_vit_tfm.trust.remainder import remainder_of
    >>> rng = np.random.default_rng(0)
    >>> model = np.zeros((64, 64, 2))
    >>> residual = rng.normal(0, 0.02, model.shape)
    >>> remainder_of(model, residual, variance=0.02**2).is_unexplained
    False
    >>> residual[20:25, 40:45, 0] += 0.2
    >>> remainder = remainder_of(model, residual, variance=0.02**2)
    >>> place, = remainder.places
    >>> round(place.x), round(place.y)
    (42, 22)
    """
    parts = _Parts.of(model, residual, variance=variance, length=length)
    squares, limit = parts.local_squares(), parts.local_limit(allowance)
    long_waves, places = _long_waves(parts, allowance), _places(squares, limit)
    point = None
    if (long_waves.is_unexplained or places) and not long_waves.is_motion:
        noise = parts.variance_at_node()
        point = point_of_divergence(residual, noise_variance=noise)
    return Remainder(long_waves, places, point)


def unexplained_map(
    model: npt.NDArray[np.floating],
    residual: npt.NDArray[np.floating],
    *,
    variance: float,
    length: float = 0.0,
    allowance: float = 1.0,
) -> Float64Array:
    """Map of the residual that noise and the error of the method do not explain.

    Parameters
    ----------
    model, residual, variance, length, allowance
        As for `remainder_of`.

    Returns
    -------
    array of shape (H, W)
        Length of the residual, averaged over about 4 x 4 nodes, minus the largest one
        that is expected; in grid steps. It is zero where nothing is unexplained. Long
        waves are left out.
    """
    parts = _Parts.of(model, residual, variance=variance, length=length)
    squares, limit = parts.local_squares(), parts.local_limit(allowance)
    beyond = np.sqrt(2 * squares) - np.sqrt(2 * limit)
    return np.asarray(np.maximum(beyond, 0.0))


def needed_allowance(
    model: npt.NDArray[np.floating],
    residual: npt.NDArray[np.floating],
    *,
    variance: float,
    length: float = 0.0,
) -> float:
    """Smallest allowance with which nothing of a residual is unexplained.

    Parameters
    ----------
    model, residual, variance, length
        As for `remainder_of`.

    Returns
    -------
    float
        At least 1.
    """
    parts = _Parts.of(model, residual, variance=variance, length=length)
    error = parts.error_of_long_waves()
    beyond = parts.size_of_long_waves() ** 2 - parts.noise_of_long_waves()
    ratios = [max(beyond, 0.0) / error**2 if error > 0 else 0.0]
    local = parts.local_error()
    excess = np.maximum(parts.local_squares() - parts.local_noise(), 0.0)
    if local.any():
        ratios.append(float((excess / np.where(local > 0, local, np.inf)).max()))
    return float(np.sqrt(max(1.0, *ratios)))


@dataclass(frozen=True, eq=False)
class _Parts:
    """Long and other waves of a residual and of a displacement.

    Fields, in grid steps, have the shape (H, W, 2) and no mean.
    """

    long: Float64Array
    rest: Float64Array
    model: Float64Array
    model_rest: Float64Array
    noise_variance: float
    noise_length: float
    long_noise: float

    @classmethod
    def of(
        cls,
        model: npt.NDArray[np.floating],
        residual: npt.NDArray[np.floating],
        *,
        variance: float,
        length: float,
    ) -> _Parts:
        height, width = residual.shape[:2]
        side = np.sqrt(height * width)
        rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
        is_long = np.hypot(rows, columns) * side <= _LONG
        noise = noise_of_modes(variance, length, (height, width))
        modes = cosine_modes(np.stack([residual, model]))
        modes[:, 0, 0] = 0
        is_long[0, 0] = False
        long_modes = np.where(is_long[..., None], modes, 0.0)
        without_mean, long = from_cosine_modes(np.stack([modes, long_modes]))
        return cls(
            long=long[0],
            rest=without_mean[0] - long[0],
            model=without_mean[1],
            model_rest=without_mean[1] - long[1],
            noise_variance=variance,
            noise_length=length,
            long_noise=2 * float(noise[is_long].sum()) / (height * width),
        )

    def size_of_long_waves(self) -> float:
        """Root of their mean square length."""
        return _size(self.long)

    def noise_of_long_waves(self) -> float:
        """Their mean square length that the noise explains."""
        followed = 2 * _LONG_WAVES_OF_NOISE**2 * self.variance_at_node()
        return _NOISE_OF_LONG_WAVES * self.long_noise + followed

    def error_of_long_waves(self) -> float:
        """Their size that the error of the method explains."""
        return _ERROR_OF_LONG_WAVES * _size(self.model)

    def local_squares(self) -> Float64Array:
        """Local mean square of a component of the rest, ``(H, W)``."""
        return _local_mean(np.square(self.rest).mean(axis=-1), _WINDOW)

    def local_noise(self) -> Float64Array:
        """The largest local mean square of the noise in a field, ``(H, W)``."""
        height, width = self.rest.shape[:2]
        # Squares are correlated over half the area of the correlation of the noise.
        correlated = max(1.0, 2 * np.pi * self.noise_length**2)
        in_window = 2 * (4 * np.pi * _WINDOW**2 + correlated) / correlated
        rows, columns = (_within(n) for n in (height, width))
        freedom = np.maximum(in_window * rows[:, None] * columns, 1.0)
        n_windows = max(1.0, height * width / correlated)
        # The approximation of Wilson and Hilferty of a quantile of chi squared.
        spread = 2 / (9 * freedom)
        z = -float(scipy.special.ndtri(_CHANCE / n_windows))
        quantile = (1 - spread + z * np.sqrt(spread)) ** 3
        return np.asarray(_NOISE_MARGIN * self.variance_at_node() * quantile)

    def variance_at_node(self) -> float:
        """Variance of a component of the noise at a node."""
        modes = noise_of_modes(
            self.noise_variance, self.noise_length, self.rest.shape[:2]
        )
        return float(modes.mean())

    def local_error(self) -> Float64Array:
        """Local mean square that the error of the method explains, ``(H, W)``."""
        squares = np.square(self.model_rest).mean(axis=-1)
        around = _local_mean(squares, _SURROUNDINGS) + _EVERYWHERE * squares.mean()
        return np.asarray(_LOCAL_ERROR**2 * around)

    def local_limit(self, allowance: float) -> Float64Array:
        """The largest local mean square that is expected, ``(H, W)``."""
        limit = self.local_noise() + allowance**2 * self.local_error()
        return np.asarray(limit)


def _long_waves(parts: _Parts, allowance: float) -> LongWaves:
    size = parts.size_of_long_waves()
    expected = np.sqrt(
        parts.noise_of_long_waves() + (allowance * parts.error_of_long_waves()) ** 2
    )
    found = LongWaves(size, float(expected))
    if not found.is_unexplained:
        return found
    rotation, strain = _motion(parts.long)
    side = "" if rotation or strain else _strongest_side(parts.long)
    return LongWaves(size, float(expected), rotation, strain, side)


def _motion(long: Float64Array) -> tuple[float, float]:
    """Rotation and largest strain of a field, each 0 if it is only a small part."""
    height, width = long.shape[:2]
    y, x = (
        part - (n - 1) / 2
        for part, n in zip(np.indices((height, width)), (height, width), strict=True)
    )
    ramps = np.stack([x.ravel(), y.ravel()])
    # gradient[i, j] is the derivative of component j along axis i, for (x, y).
    gradient = ramps @ long.reshape(-1, 2) / np.square(ramps).sum(axis=1)[:, None]
    whole = float(np.square(long).sum())
    turn = (gradient[0, 1] - gradient[1, 0]) / 2
    of_turn = turn**2 * np.square(ramps).sum()
    if of_turn > _GRADIENT * whole:
        # Rows are counted downwards, so a positive turn is clockwise on the screen.
        return -float(turn), 0.0
    symmetric = (gradient + gradient.T) / 2
    of_strain = float(np.square(symmetric.T @ ramps).sum())
    # A simple shear is half a rotation.
    if of_turn + of_strain > _GRADIENT * whole:
        values = np.linalg.eigvalsh(symmetric)
        return 0.0, float(values[np.abs(values).argmax()])
    return 0.0, 0.0


def _strongest_side(field: Float64Array) -> str:
    """The side at which a field is strongest; empty if it is not at one."""
    squares = np.square(field).sum(axis=-1)
    rows, columns = (max(1, round(_STRIP * n)) for n in squares.shape)
    strips = (
        squares[:rows],
        squares[-rows:],
        squares[:, :columns],
        squares[:, -columns:],
    )
    means = [float(strip.mean()) for strip in strips]
    inside = float(squares[rows:-rows, columns:-columns].mean())
    return SIDES[int(np.argmax(means))] if max(means) > _AT_BORDER * inside else ""


def _places(squares: Float64Array, limit: Float64Array) -> tuple[Place, ...]:
    """Connected places with squares above a limit; the strongest first."""
    labels, n = scipy.ndimage.label(squares > limit, structure=np.ones((3, 3)))
    if n == 0:
        return ()
    numbers = np.arange(1, n + 1)
    sums = scipy.ndimage.sum_labels(squares, labels, numbers)
    order = numbers[np.argsort(-sums)]
    found = []
    for number in order:
        inside = labels == number
        rows, columns = np.nonzero(inside)
        weights = squares[inside]
        centre = np.average(columns, weights=weights), np.average(rows, weights=weights)
        width = 2 * np.sqrt(rows.size / np.pi)
        found.append(
            Place(
                float(centre[0]),
                float(centre[1]),
                float(width),
                float(np.sqrt(2 * weights.mean())),
                _touched_side(inside),
            )
        )
    return tuple(found)


def _touched_side(inside: BoolArray) -> str:
    """The side of the field that a place touches; empty if it touches none."""
    strips = inside[:2], inside[-2:], inside[:, :2], inside[:, -2:]
    touched = [int(strip.sum()) for strip in strips]
    return SIDES[int(np.argmax(touched))] if max(touched) else ""


def _within(n: int) -> Float64Array:
    """Share of the window around each node of an axis that is in the field."""
    node = np.arange(n)
    ends = (node + 0.5) / _WINDOW, (n - node - 0.5) / _WINDOW
    return np.asarray(scipy.special.ndtr(ends[0]) + scipy.special.ndtr(ends[1]) - 1)


def _local_mean(values: Float64Array, width: float) -> Float64Array:
    return np.asarray(scipy.ndimage.gaussian_filter(values, width, mode="reflect"))


def _size(field: Float64Array) -> float:
    """Root of the mean square length of vectors."""
    return float(np.sqrt(np.square(field).sum(axis=-1).mean()))
