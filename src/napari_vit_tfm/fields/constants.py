"""Names of what belongs to tractions."""

from __future__ import annotations

RECORD_NAMES = (
    "holes",
    "outliers_replaced",
    "drift_removed",
    "explained",
    "relative_noise",
    "noise_length",
    "chi_squared",
    "allowance",
    "unfamiliar",
    "unfamiliar_score",
    "unfamiliar_reason",
)
"""Names of the records of tractions.

``holes``, ``(T,)``: number of vectors without displacement; ``outliers_replaced``,
``(T,)``: their number; ``drift_removed``, ``(T, 3)``: drift ``(x, y)`` in grid steps,
and rotation in radians, before binning and reversal. ``explained`` and
``chi_squared``, ``(T,)``: share of the squared displacement that the tractions explain,
and their residual relative to the noise. ``relative_noise`` and ``noise_length``,
``(T,)``: estimated noise per component relative to the root mean square of the
displacement about its mean, and its correlation length in grid steps. ``allowance``,
``(T,)``: residual that the method leaves, relative to the bundled network.
``unfamiliar``, ``unfamiliar_score`` and ``unfamiliar_reason``, ``(T,)``: whether the
field is unlike those that the network has learnt, 0 or 1, by how much, and the number
of the most probable reason, see `trust.gauge.REASONS`.
"""

SIZE_RECORDS = (
    "holes",
    "outliers_replaced",
    "relative_noise",
    "noise_length",
    "chi_squared",
)
"""Records that are numbers of vectors, shares or lengths, which are not negative."""

COMPANION_NAMES = ("displacement_model", "residual", "halfwidth_68", "halfwidth_95")
"""Names of the companions of tractions.

``displacement_model``: displacement that the tractions cause; ``residual``: the rest of
the measured displacement; both are in `TractionStack.displacement_unit`.
``halfwidth_68`` and ``halfwidth_95``: half-widths of the central 68% and 95% intervals
of each component, in the unit of the tractions.
"""

DISPLACEMENT_COMPANIONS = ("displacement_model", "residual")
"""Companions that are displacements."""
