"""Quantities of one or several stacks of tractions, as the dock shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.quantities import (
    Adhesion,
    CellChanges,
    ControlRow,
    Interval,
    Origin,
    Row,
    Scale,
    Table,
    adhesion_columns,
    side_by_side,
    table_of_adhesions,
    table_of_changes,
    table_of_controls,
    table_of_rows,
)


@dataclass(frozen=True, eq=False)
class MeasuredTractions:
    """Quantities of all frames of one stack of tractions.

    Parameters
    ----------
    origin : Origin
        Field and method.
    field_id : str
        Identifier of the tractions.
    n_frames : int
        Number of frames.
    rows : list of Row
        One for every frame and cell.
    adhesions : list of Adhesion
        The adhesions of all of them.
    changes : list of CellChanges
        Changes of the quantities from frame to frame.
    controls : list of ControlRow
        The control without force, if it was asked for.
    notes : list of str
        What limits their meaning, one sentence each.
    """

    origin: Origin
    field_id: str
    n_frames: int
    rows: list[Row]
    adhesions: list[Adhesion]
    changes: list[CellChanges]
    controls: list[ControlRow]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Measured:
    """Quantities of one or several stacks of tractions.

    Parameters
    ----------
    tractions : tuple of MeasuredTractions
        Those that were chosen come first.
    columns : list of str
        Columns of the quantities.
    scale : Scale
        Their units.
    regions : array of int, shape (T, H, W)
        Of the chosen tractions: the number of the cell in its region, this number plus
        `ring_offset` in its ring, and 0 elsewhere.
    ring_offset : int
        A number larger than that of any cell.
    comparison : str
        Where two tractions disagree, in words; empty if none are compared.
    """

    tractions: tuple[MeasuredTractions, ...]
    columns: list[str]
    scale: Scale
    regions: npt.NDArray[np.int32]
    ring_offset: int
    comparison: str = ""

    @property
    def rows(self) -> list[Row]:
        """The rows of the tractions that were chosen."""
        return self.tractions[0].rows

    @property
    def n_frames(self) -> int:
        """Number of frames of the tractions that were chosen."""
        return len(self.regions)

    @property
    def cells(self) -> list[int]:
        """Numbers of the cells of the tractions that were chosen."""
        return sorted({row.cell for row in self.rows})

    @property
    def names(self) -> list[str]:
        """Names of the tractions, which are different."""
        return names_of([one.origin for one in self.tractions])

    @property
    def has_changes(self) -> bool:
        """Whether the change of some quantity is known."""
        return bool(self.columns_with_changes())

    def columns_with_values(self) -> set[str]:
        """Columns of the quantities that are known in some frame."""
        rows = [row for one in self.tractions for row in one.rows]
        return {
            column
            for column in self.columns
            if any(math.isfinite(row.values[column]) for row in rows)
        }

    def columns_with_changes(self) -> set[str]:
        """Columns of the quantities whose changes are known in some frame."""
        found = (key for one in self.tractions for key in one.changes)
        return {column for key in found for column in key.changes}

    # Tables. Field and method have columns if there are several tractions.

    def table(self, gel: Interval | None = None) -> Table:
        """The quantities with their intervals.

        Parameters
        ----------
        gel : Interval, optional
            As for `table_of_rows`.
        """
        return self._table(
            lambda one, origin: table_of_rows(
                self.columns, one.rows, origin=origin, with_intervals=True, gel=gel
            )
        )

    def adhesion_table(self) -> Table:
        """The adhesions."""
        columns = [*adhesion_columns(self.scale)]
        return self._table(
            lambda one, origin: table_of_adhesions(
                columns, one.adhesions, origin=origin
            )
        )

    def change_table(self) -> Table:
        """The changes from frame to frame."""
        return self._table(
            lambda one, origin: table_of_changes(one.changes, origin=origin)
        )

    def control_table(self) -> Table:
        """The control without force."""
        return self._table(
            lambda one, origin: table_of_controls(one.controls, origin=origin)
        )

    def _table(
        self, table_of: Callable[[MeasuredTractions, Origin | None], Table]
    ) -> Table:
        is_alone = len(self.tractions) == 1
        return side_by_side(
            [table_of(one, None if is_alone else one.origin) for one in self.tractions]
        )

    def listed_rows(self) -> list[tuple[MeasuredTractions, Row]]:
        """The rows in the order of the lines of `table`."""
        found = [(one, row) for one in self.tractions for row in one.rows]
        return sorted(found, key=lambda pair: (pair[1].frame, pair[1].cell))

    def listed_adhesions(self) -> list[tuple[MeasuredTractions, Adhesion]]:
        """The adhesions in the order of the lines of `adhesion_table`."""
        found = [(one, found) for one in self.tractions for found in one.adhesions]
        return sorted(found, key=lambda pair: (pair[1].frame, pair[1].cell))

    # Sentences. Several tractions are named.

    def notes(self) -> list[str]:
        """What limits the meaning of the rows, one sentence each."""
        return self._named(lambda one: one.notes)

    def control_in_words(self, column: str, frame: int) -> list[str]:
        """The control of a quantity in a frame, one sentence for each cell.

        None for quantities that are not known without force, as the corrected force.
        """
        return self._named(
            lambda one: [
                row.in_words()
                for row in one.controls
                if (row.column, row.frame) == (column, frame) and math.isfinite(row.p)
            ]
        )

    def _named(
        self, sentences_of: Callable[[MeasuredTractions], list[str]]
    ) -> list[str]:
        has_names = len(self.tractions) > 1
        return [
            f"{name}: {sentence}" if has_names else sentence
            for name, one in zip(self.names, self.tractions, strict=True)
            for sentence in sentences_of(one)
        ]


def names_of(origins: Sequence[Origin]) -> list[str]:
    """Names of tractions: their methods, with the fields if these are not the same.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import Origin
    >>> names_of([Origin("cell_07", "ViT"), Origin("cell_07", "FTTC")])
    ['ViT', 'FTTC']
    >>> names_of([Origin("cell_07", "ViT"), Origin("cell_08", "ViT")])
    ['cell_07, ViT', 'cell_08, ViT']
    """
    if len({origin.field for origin in origins}) == 1:
        return [origin.method for origin in origins]
    return [", ".join(filter(None, (one.field, one.method))) for one in origins]


def factors(gel: Interval) -> str:
    """Factors of the error of Young's modulus in words.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import gel_factors
    >>> factors(gel_factors(0.1)).replace("\N{MULTIPLICATION SIGN}", "x")
    'x0.906 to x1.1 (68%), x0.822 to x1.22 (95%)'
    """
    times = "\N{MULTIPLICATION SIGN}"
    return (
        f"{times}{gel.low68:.3g} to {times}{gel.high68:.3g} (68%), "
        f"{times}{gel.low95:.3g} to {times}{gel.high95:.3g} (95%)"
    )
