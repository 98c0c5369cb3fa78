"""``vit-tfm benchmark --kind all`` or ``unseen``: fields of many kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vit_tfm.cli.reporting import echo

if TYPE_CHECKING:
    from napari_vit_tfm.benchmark.tables import Origin
    from napari_vit_tfm.config import ReconstructionConfig


REPORT = "kinds.md"
RESULTS = (REPORT, "kinds.json", "kinds.png")
"""Files in the folder for the results."""


def fields_in_words(field_set: str, n_fields: int) -> str:
    """Description of the fields, for a report."""
    from napari_vit_tfm.benchmark.field_sets import FIELD_SETS
    from napari_vit_tfm.benchmark.held_out import NOISES

    each = "1 field" if n_fields == 1 else f"{n_fields} fields"
    n_kinds = len(FIELD_SETS[field_set].kinds)
    return f"{each} of each of {n_kinds} kinds, at {len(NOISES)} noise levels"


def compare_kinds(
    field_set: str,
    names: Mapping[str, str],
    n_fields: int,
    config: ReconstructionConfig,
    origin: Origin,
    output: Path,
    *,
    signature: str,
) -> None:
    """Compare methods, and write ``kinds.md``, ``kinds.json`` and ``kinds.png``.

    Parameters
    ----------
    field_set : str
        Name in `FIELD_SETS`.
    names : mapping of str to str
        Name of each method in the report.
    n_fields : int
        Number of fields of each kind.
    config : ReconstructionConfig
        Device and number of mirror images.
    origin : Origin
        Origin of the results, including the seed of the fields.
    output : Path
        Folder for the files.
    signature : str, keyword-only
        Who made the files, as a comment of the report.
    """
    from napari_vit_tfm.benchmark import figures, kinds_tables
    from napari_vit_tfm.benchmark.kinds import evaluate_kinds
    from napari_vit_tfm.io.replacing import write_bytes
    from napari_vit_tfm.plotting import write_png

    scores = evaluate_kinds(
        methods=list(names),
        names=names,
        field_set=field_set,
        n_fields=n_fields,
        seed=origin.seed,
        config=config,
        on_result=lambda kind, noise: echo(f"{kind}, noise {noise}", err=True),
    )
    markdown = kinds_tables.kinds_as_markdown(scores, origin)
    for name, text in (
        (REPORT, f"{markdown}\n<!-- {signature} -->\n"),
        ("kinds.json", kinds_tables.kinds_as_json(scores)),
    ):
        write_bytes(output / name, text.encode())
    write_png(output / "kinds.png", figures.kinds_figure(scores))
    echo(kinds_tables.kinds_summary_as_markdown(scores, origin), lines=True)
