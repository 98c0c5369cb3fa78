"""`Conditions`: what the errors of tractions depend on, as far as a frame tells."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vit_tfm.fields import Records


@dataclass(frozen=True)
class Conditions:
    """What the errors of the tractions of a frame depend on.

    Parameters
    ----------
    noise : float
        Estimated standard deviation of the noise per component of the displacement,
        relative to the root mean square of the displacement about its mean.
    noise_length : float
        Estimated correlation length of the noise, in grid steps.
    explained : float
        Share of the squared displacement that the tractions explain.
    """

    noise: float
    noise_length: float
    explained: float

    @classmethod
    def of_records(cls, records: Records, frame: int) -> Conditions | None:
        """The conditions of a frame in the records of tractions, if they are there."""
        names = ("relative_noise", "noise_length", "explained")
        if not all(name in records for name in names):
            return None
        return cls(*(float(records[name][frame]) for name in names))
