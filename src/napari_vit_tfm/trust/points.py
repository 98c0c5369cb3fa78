"""Points of divergence: the residual points away from them, or towards them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy

Float64Array = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

_CORES = (2.0, 4.0, 8.0)
"""Candidate radii of the core of a point, in grid steps."""

_RADIAL = 0.45
"""Share of the squared residual beyond the noise that must point from or towards one
point. Among residuals of fields with forces beyond their border it is up to 0.4."""

_FROM_BORDER = 4
"""Least distance of a point from the border, in grid steps: residuals that are caused
by forces beyond the border may seem to have their point on it."""


@dataclass(frozen=True)
class PointOfDivergence:
    """A point from or towards which a residual points.

    Around it, the residual is ``strength * r / (r^2 + core^2)`` at the distance ``r``.

    Parameters
    ----------
    x, y : float
        Its position in grid steps, from the first node on.
    strength : float
        In squared grid steps; positive if the residual points away from the point.
    core : float
        The distance at which the residual is largest, in grid steps.
    """

    x: float
    y: float
    strength: float
    core: float

    def normal_force_nn(
        self, *, young_pa: float, poisson: float, spacing_um: float
    ) -> float:
        """Normal force that would cause the residual on a thick gel.

        Parameters
        ----------
        young_pa, poisson, spacing_um : float, keyword-only
            Young's modulus and Poisson ratio of the gel, and distance between
            neighbouring vectors.

        Returns
        -------
        float
            In nN; positive if it pushes into the gel. Infinite for an incompressible
            gel, whose surface does not move sideways under a normal force.

        Notes
        -----
        A force ``F`` that pushes onto an elastic half-space moves its surface towards
        its point of application, by ``(1 + nu)(1 - 2 nu) F / (2 pi E r)`` [1]_.

        References
        ----------
        .. [1] L. D. Landau, E. M. Lifshitz, "Theory of Elasticity", 3rd edition,
           section 8, Pergamon Press (1986).

        Examples
        --------
        >>> from napari_vit_tfm.trust.points import PointOfDivergence
        >>> point = PointOfDivergence(20.0, 20.0, strength=-0.5, core=2.0)
        >>> gel = {"young_pa": 5000.0, "spacing_um": 1.0}
        >>> round(point.normal_force_nn(poisson=0.3, **gel), 1)
        30.2
        >>> round(point.normal_force_nn(poisson=0.49, **gel))
        527
        """
        response = (1 + poisson) * (1 - 2 * poisson)
        if response <= 0:
            return float(np.copysign(np.inf, -self.strength))
        # Pa um^2 are 1e-3 nN.
        area = self.strength * spacing_um**2
        return float(-2 * np.pi * young_pa * area / response * 1e-3)


def point_of_divergence(
    residual: npt.NDArray[np.floating], *, noise_variance: float = 0.0
) -> PointOfDivergence | None:
    """Find the point from or towards which a residual points.

    Parameters
    ----------
    residual : array of shape (H, W, 2)
        The residual in grid steps.
    noise_variance : float, keyword-only
        Variance of a component of its noise, in squared grid steps.

    Returns
    -------
    PointOfDivergence or None
        The point whose field fits best. None if it fits less than about half of the
        squared residual beyond the noise.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.points import point_of_divergence
    >>> y, x = np.indices((40, 40)) - 20.0
    >>> residual = 0.5 * np.stack([x, y], axis=-1) / (x**2 + y**2 + 4)[..., None]
    >>> point = point_of_divergence(residual)
    >>> round(point.x), round(point.y), round(point.strength, 2), point.core
    (20, 20, 0.5, 2.0)
    """
    height, width = residual.shape[:2]
    vectors = np.moveaxis(residual.astype(np.float64), -1, 0)
    vectors = vectors - vectors.mean(axis=(1, 2), keepdims=True)
    beyond = np.square(vectors).sum() - 2 * height * width * noise_variance
    hat_x, hat_y = scipy.fft.rfft2(vectors, s=(2 * height, 2 * width))
    best, found = _RADIAL * beyond, None
    for core in _CORES:
        of_x, of_y, norm = _template((height, width), core)
        product = scipy.fft.irfft2(
            hat_x * of_x + hat_y * of_y, s=(2 * height, 2 * width)
        )
        product = product[:height, :width]
        explained = np.square(product) / norm
        row, column = divmod(int(explained.argmax()), width)
        if explained[row, column] > best:
            best = float(explained[row, column])
            strength = float(product[row, column] / norm[row, column])
            found = PointOfDivergence(float(column), float(row), strength, core)
    if found is None or _from_border(found, (height, width)) < _FROM_BORDER:
        return None
    return found


def _from_border(point: PointOfDivergence, shape: tuple[int, int]) -> float:
    height, width = shape
    return min(point.x, point.y, width - 1 - point.x, height - 1 - point.y)


@lru_cache(maxsize=16)
def _template(
    shape: tuple[int, int], core: float
) -> tuple[ComplexArray, ComplexArray, Float64Array]:
    """Field of a point of strength 1, for the products with it at every node.

    Returns
    -------
    x, y : arrays of shape (2 H, W + 1)
        Conjugate Fourier transforms of its components.
    norm : array of shape (H, W)
        Its squares summed over the field, without its mean, for a point at each node.
    """
    height, width = shape
    full = (2 * height, 2 * width)
    y, x = (np.rint(np.fft.fftfreq(n, 1 / n)) for n in full)
    squared = np.square(x) + np.square(y)[:, None]
    shrink = 1 / (squared + core**2)
    of_x, of_y, of_squares = (
        np.conj(scipy.fft.rfft2(part))
        for part in (x * shrink, y[:, None] * shrink, squared * np.square(shrink))
    )
    field = scipy.fft.rfft2(np.ones(shape), s=full)

    def summed(of_part: ComplexArray) -> Float64Array:
        return np.asarray(scipy.fft.irfft2(field * of_part, s=full)[:height, :width])

    means = np.square(summed(of_x)) + np.square(summed(of_y))
    return of_x, of_y, summed(of_squares) - means / (height * width)
