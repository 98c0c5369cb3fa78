"""``vit-tfm rerun``: computes a result again, and compares the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from napari_vit_tfm.cli.options import device_option
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE
from napari_vit_tfm.cli.reporting import SHORT_SHA256, echo, note
from napari_vit_tfm.cli.source import allow_links_option
from napari_vit_tfm.config import Device, PreparationConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import Displacement, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.provenance import (
    KEY,
    Provenance,
    file_sha256,
    files_sha256,
    installed_versions,
)
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

SAME = 1e-4
"""Largest difference of the same tractions, relative to the largest one. Another
processor rounds in another way."""

_UNCHANGED, _DIFFERENT = 0, 1
"""Exit status."""


@click.command("rerun")
@click.argument("path", type=FILE, metavar="FILE")
@click.option(
    "--input",
    "inputs",
    type=FILE,
    multiple=True,
    metavar="INPUT",
    help="File or folder with the displacements, if it is no longer where FILE says. "
    "May be given several times, for a film.",
)
@click.option(
    "--model",
    type=FILE,
    metavar="MODEL",
    help="File of the model, if it is no longer where FILE says.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="OUT",
    help="Write the new tractions, too, as vit-tfm predict does.",
)
@device_option
@allow_links_option
@overwrite_option
def command(
    *,
    path: Path,
    inputs: tuple[Path, ...],
    model: Path | None,
    output: Path | None,
    device: Device,
    allow_links: bool,
    overwrite: bool,
) -> int:
    """Compute tractions again, and compare the numbers.

    FILE has the tractions, and says what they were computed from and how. Prints what
    has changed since then: the input, the weights, versions, the device. The exit
    status is 0 if the numbers are the same, apart from rounding, and 1 if they are not.
    """
    from napari_vit_tfm.io import check_output, input_files, read_traction
    from napari_vit_tfm.reconstruction import load_method, resolve_device

    before = read_traction(path)
    known: Provenance | None = before.metadata.get(KEY)
    if known is None:
        raise ConfigError(
            f"{path}: does not say what it was computed from: it was computed by "
            "another program, or by an older version of napari-vit-tfm"
        )
    files = _existing(path, inputs or known.files)
    config = known.options("reconstruction", ReconstructionConfig, tell_unknown)
    config = replace(config, device=device)
    if output is not None:
        output = check_output(
            output, with_companions=config.residual or config.uncertainty
        )
    if model is not None:
        config = replace(config, model=str(model))
    Outputs.of(
        "rerun", overwrite=overwrite, inputs=files, others=[path, config.model]
    ).add(output)
    method = load_method(config)
    rerun = _Rerun(known, files, config, method, allow_links)
    for change in (
        *_input_changes(known, files_sha256(input_files(_source(files)))),
        *_changes("model", before.model, method.name),
        *_weights_changes(before.model_sha256, method.sha256),
        *_noise_changes(known, config),
        *_version_changes(known.versions),
        *_changes("device", known.parameters["device"], resolve_device(device)),
    ):
        echo(f"changed: {change}")
    return rerun.compare(before, output)


@dataclass(frozen=True, eq=False)
class _Rerun:
    """The same computation again."""

    known: Provenance
    files: tuple[Path, ...]
    config: ReconstructionConfig
    method: ReconstructionMethod
    allow_links: bool

    def compare(self, before: TractionStack, output: Path | None) -> int:
        """Compute, print how much the tractions differ, and give the exit status."""
        from napari_vit_tfm.io import open_displacement, open_traction
        from napari_vit_tfm.physics.substrate import Substrate
        from napari_vit_tfm.reconstruction import reconstruct_batches

        gel = self.known.options("gel", Gel, tell_unknown)
        comparison = _Comparison(before)
        reading = {
            **self.known.reading(allow_links=self.allow_links, on_unknown=tell_unknown),
            "gel": gel,
            # The gel of the file is not used.
            "ignore_gel_errors": True,
            "on_notice": note,
        }
        with (
            open_displacement(_source(self.files), **reading) as displacement,
            nullcontext() if output is None else open_traction(output) as sink,
        ):
            for batch in reconstruct_batches(
                self._as_used(displacement),
                substrate=Substrate(gel),
                config=self.config,
                method=self.method,
                preparation=self.known.options(
                    "preparation", PreparationConfig, tell_unknown
                ),
                made_by="vit-tfm rerun",
            ):
                comparison.add(batch.start, batch.traction)
                if sink is not None:
                    sink.append(batch.traction)
        if output is not None:
            echo(f"tractions: {output}")
        return comparison.report()

    def _as_used(self, displacement: Displacement) -> Displacement:
        """The displacements with unit and lengths that were set after reading."""
        used = self.known.parameters["displacement"]
        different = {
            name: value
            for name, value in used.items()
            if getattr(displacement, name) != value
        }
        return replace(displacement, **different) if different else displacement


class _Comparison:
    """Compares tractions to those in a file, batch by batch."""

    def __init__(self, before: TractionStack) -> None:
        self._before = before
        self._after: TractionStack | None = None
        self._n_frames = 0
        self._largest = 0.0
        self._n_gaps = 0

    def add(self, start: int, traction: TractionStack) -> None:
        self._after = traction
        self._n_frames = start + traction.n_frames
        before = self._before.data[start : self._n_frames]
        if before.shape != traction.data.shape:
            return
        missing = np.isnan(before), np.isnan(traction.data)
        self._n_gaps += int(np.count_nonzero((missing[0] != missing[1]).any(axis=-1)))
        difference = np.abs(before.astype(np.float64) - traction.data)
        largest = difference.max(where=np.isfinite(difference), initial=0.0)
        self._largest = max(self._largest, float(largest))

    def report(self) -> int:
        """Print the result, and give the exit status."""
        before, after = self._before, self._after
        assert after is not None
        different = [
            *_changes("frames", before.n_frames, self._n_frames),
            *_changes("grid", before.grid_shape, after.grid_shape),
            *_changes("unit", unit_label(before.unit), unit_label(after.unit)),
            *_changes("spacing in um", before.spacing_um, after.spacing_um),
        ]
        if self._n_gaps:
            different.append(
                f"vectors with a traction: {self._n_gaps} are not the same"
            )
        if not different:
            unit, longest = unit_label(before.unit), before.longest()
            size = (
                f"largest difference {self._largest:.3g} {unit}, largest traction "
                f"{longest:.4g} {unit}"
            )
            if self._largest <= SAME * longest:
                echo(f"same: {size}")
                return _UNCHANGED
            different = [size]
        for line in different:
            echo(f"different: {line}")
        return _DIFFERENT


def _existing(path: Path, files: tuple[Path, ...]) -> tuple[Path, ...]:
    if not files:
        raise ConfigError(
            f"{path}: the displacements were in no file: give one with --input"
        )
    for file in files:
        if not file.exists():
            raise ConfigError(
                f"{file}: the input of {path} is not there: give it with --input"
            )
    return files


def _source(files: tuple[Path, ...]) -> Path | tuple[Path, ...]:
    return files[0] if len(files) == 1 else files


def tell_unknown(name: str, value: Any) -> None:
    """Tell that an option of the run is left out."""
    echo(f"changed: this version has no option {name} ({value!r})")


def _input_changes(known: Provenance, sha256: str) -> Iterator[str]:
    if not known.input_sha256:
        yield "the input had no SHA-256, so it cannot be compared"
    elif sha256 != known.input_sha256:
        yield f"input: {_short_change(known.input_sha256, sha256)}"


def _weights_changes(before: str, after: str) -> Iterator[str]:
    if before != after:
        yield f"weights: {_short_change(before, after)}"


def _noise_changes(known: Provenance, config: ReconstructionConfig) -> Iterator[str]:
    path = Path(config.noise.per_vector)
    before = known.parameters.get("noise_map_sha256", "")
    if config.noise.per_vector and path.exists():
        after = file_sha256(path)
        if before != after:
            yield f"noise of every vector: {_short_change(before, after)}"


def _short_change(before: str, after: str) -> str:
    short = [sha256[:SHORT_SHA256] or "none" for sha256 in (before, after)]
    return f"SHA-256 {short[0]} then, {short[1]} now"


def _version_changes(before: Mapping[str, str]) -> Iterator[str]:
    for name, now in installed_versions().items():
        yield from _changes(f"version of {name}", before.get(name, "unknown"), now)


def _changes(name: str, before: object, after: object) -> Iterator[str]:
    if before != after:
        yield f"{name}: {before} then, {after} now"
