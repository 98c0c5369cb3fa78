"""A reconstruction as a script or a command that computes the same tractions."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from napari_vit_tfm.config import (
    NoiseConfig,
    PreparationConfig,
    ReadingConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import REFERENCE_GEL, Gel
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.options import Option, Switch, flag_of, options_of
from napari_vit_tfm.provenance import Provenance

_LENGTHS = ("spacing_um", "pixel_size_um")
_NO_INFLUENCE = ("device", "batch_size")
"""Options of `ReconstructionConfig` that do not change the tractions."""


def as_command(provenance: Provenance) -> str:
    """The command ``vit-tfm predict`` that computes the same tractions.

    Parameters
    ----------
    provenance : Provenance
        What the tractions were computed from, and how.

    Returns
    -------
    str
        One line for a POSIX shell, with the options that are not the default ones.
        Device and batch size are left out, since they do not change the tractions.

    Raises
    ------
    ConfigError
        If the displacements were in no file, or if the unit, a length or the gel was
        changed after reading in a way for which there is no option.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import Gel, ReconstructionConfig, read_displacement
    >>> from napari_vit_tfm import reconstruct
    >>> from napari_vit_tfm.scripts import as_command
    >>> np.savez("cell 1.npz", displacement=np.ones((16, 24, 2)))
    >>> stack = read_displacement("cell 1.npz", unit="grid", gel=Gel(young_pa=5_000))
    >>> traction = reconstruct(stack, config=ReconstructionConfig(model="fttc"))
    >>> command = as_command(traction.metadata["provenance"])
    >>> command.partition("cell 1.npz' ")[2]
    "-o 'cell 1_traction.h5' --units grid --young 5000 --model fttc"
    """
    output, reading = _output(provenance), _reading(provenance)
    if reading is None:
        raise ConfigError(
            "the unit or a length was changed after the file had been read, and no "
            "option of the command line does the same: copy the Python script"
        )
    gel, unknown = _gel(provenance), _forgotten(provenance)
    if unknown:
        raise ConfigError(
            f"{unknown} is set to unknown, but it is in the file, which no option of "
            "the command line changes: copy the Python script"
        )
    config = _config(provenance)
    dataset = reading.pop("dataset", None)
    method_options: Mapping[str, float] = config.pop("options", {})
    model = config.pop("model", None)
    noise = config.pop("noise", {})
    if "region" in noise:
        raise ConfigError(
            "the noise is that of a region without force, whose file is not known: "
            "copy the Python script"
        )
    noise_map = noise.pop("per_vector", None)
    arguments = [
        *("vit-tfm", "predict", *map(str, provenance.files)),
        *("-o", output),
        *(() if dataset is None else ("--dataset", dataset)),
        *_flags(reading, Displacement, ReadingConfig),
        *(("--series",) if len(provenance.files) > 1 else ()),
        *_flags(gel, Gel),
        *_flags(_preparation(provenance), PreparationConfig),
        *(() if model is None else ("--model", model)),
        *_method_flags(method_options),
        *_flags(config, ReconstructionConfig),
        *_flags(noise, NoiseConfig),
        *(() if noise_map is None else ("--noise-map", noise_map)),
    ]
    return shlex.join(arguments)


def as_python(provenance: Provenance) -> str:
    """A script in Python that computes the same tractions.

    Parameters
    ----------
    provenance : Provenance
        What the tractions were computed from, and how.

    Returns
    -------
    str
        The script, which writes the tractions into the current folder. Device and
        batch size are left out, since they do not change the tractions.

    Raises
    ------
    ConfigError
        If the displacements were in no file.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import ReconstructionConfig, read_displacement, reconstruct
    >>> from napari_vit_tfm.scripts import as_python
    >>> np.savez("cell.npz", displacement=np.ones((16, 24, 2)))
    >>> stack = read_displacement("cell.npz", unit="grid")
    >>> traction = reconstruct(stack, config=ReconstructionConfig(model="fttc"))
    >>> script = as_python(traction.metadata["provenance"])
    >>> print(script.partition("displacement = ")[2])  # doctest: +ELLIPSIS
    tfm.read_displacement(
        '...cell.npz',
        unit='grid',
    )
    traction = tfm.reconstruct(
        displacement,
        config=tfm.ReconstructionConfig(model='fttc'),
    )
    tfm.write_traction('cell_traction.h5', traction)
    <BLANKLINE>
    """
    script = _Script(provenance)
    return "\n".join([*script.imports(), "", *script.body(), ""])


class _Script:
    """The parts of a script."""

    def __init__(self, provenance: Provenance) -> None:
        self.output = _output(provenance)
        self.files = [str(file) for file in provenance.files]
        reading = _reading(provenance)
        self.reading = _given(provenance) if reading is None else reading
        self.changes = _changes(provenance) if reading is None else {}
        self.preparation = _preparation(provenance)
        self.config = _config(provenance)
        self.noise: dict[str, Any] = self.config.pop("noise", {})
        self.gel = _gel(provenance)
        # What the gel does not have is taken from the file, unless it is given here.
        self.has_substrate = bool(_forgotten(provenance))

    def imports(self) -> Iterator[str]:
        if self.changes:
            yield "from dataclasses import replace\n"
        yield "import napari_vit_tfm as tfm"
        parts = {"NoiseConfig": self.noise, "PreparationConfig": self.preparation}
        names = [name for name, values in parts.items() if values]
        if names:
            yield f"from napari_vit_tfm.config import {', '.join(names)}"

    def body(self) -> Iterator[str]:
        has_gel = bool(self.gel) or self.has_substrate
        if has_gel:
            yield f"gel = {_call('tfm.Gel', self.gel)}"
        source = self.files[0] if len(self.files) == 1 else self.files
        read = [repr(source), *_keywords(self.reading)]
        yield _lines("displacement = tfm.read_displacement", read, gel=has_gel)
        if self.changes:
            changes = ", ".join(_keywords(self.changes))
            yield f"displacement = replace(displacement, {changes})"
        yield _lines("traction = tfm.reconstruct", list(self._arguments()))
        yield f"tfm.write_traction({self.output!r}, traction)"

    def _arguments(self) -> Iterator[str]:
        yield "displacement"
        if self.has_substrate:
            yield "substrate=tfm.Substrate(gel)"
        config = _keywords(self.config)
        if self.noise:
            config.append(f"noise={_call('NoiseConfig', self.noise)}")
        if config:
            yield f"config=tfm.ReconstructionConfig({', '.join(config)})"
        if self.preparation:
            yield f"preparation={_call('PreparationConfig', self.preparation)}"


def _call(name: str, values: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(_keywords(values))})"


def _keywords(values: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_literal(value)}" for name, value in values.items()]


def _literal(value: Any) -> str:
    return "float('inf')" if value == math.inf else repr(value)


def _lines(name: str, arguments: list[str], *, gel: bool = False) -> str:
    """A call with one argument on each line, or in one line if there is only one."""
    if gel:
        arguments = [*arguments, "gel=gel"]
    if len(arguments) == 1:
        return f"{name}({arguments[0]})"
    return "\n".join([f"{name}(", *(f"    {one}," for one in arguments), ")"])


def _flags(values: Mapping[str, Any], *kinds: type[Any]) -> Iterator[str]:
    """Options of dataclasses on the command line."""
    options = {name: one for kind in kinds for name, one in options_of(kind).items()}
    for name, value in values.items():
        yield from _flag(options[name], value)


def _method_flags(values: Mapping[str, float]) -> Iterator[str]:
    """Options of a method on the command line."""
    options = {
        name: option
        for method in registered_methods().values()
        for name, option in method.options.items()
    }
    for name, value in values.items():
        yield from _flag(options[name], value)


def _flag(option: Option, value: Any) -> Iterator[str]:
    yield flag_of(option)
    if not isinstance(option.about, Switch):
        yield str(value).removesuffix(".0")


# The values


def _output(provenance: Provenance) -> str:
    """File name of the tractions."""
    if not provenance.files:
        raise ConfigError("the displacements were in no file")
    return f"{provenance.files[0].stem}_traction.h5"


def _preparation(provenance: Provenance) -> dict[str, Any]:
    return _different(provenance.parameters["preparation"], PreparationConfig())


def _config(provenance: Provenance) -> dict[str, Any]:
    known = provenance.parameters["reconstruction"]
    found = _different(known, ReconstructionConfig())
    noise = _different(found.pop("noise", {}), NoiseConfig())
    if noise:
        found["noise"] = noise
    return {name: x for name, x in found.items() if name not in _NO_INFLUENCE}


def _different(values: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """The values that are not the default ones."""
    unknown = [name for name in values if not hasattr(default, name)]
    if unknown:
        raise ConfigError(f"this version has no option {unknown[0]}")
    return {name: x for name, x in values.items() if x != getattr(default, name)}


def _gel(provenance: Provenance) -> dict[str, float]:
    """The values of the gel that are neither unknown nor the default ones.

    A default that the file may contradict is also given.
    """
    as_read = provenance.parameters["as_read"]["gel"]
    return {
        name: value
        for name, value in provenance.parameters["gel"].items()
        if value is not None
        and not (
            value == getattr(REFERENCE_GEL, name) and as_read[name] in (None, value)
        )
    }


def _forgotten(provenance: Provenance) -> str:
    """A value of the gel that was known after reading, and is not any more."""
    as_read = provenance.parameters["as_read"]["gel"]
    gel = provenance.parameters["gel"]
    names = (name for name in gel if gel[name] is None and as_read[name] is not None)
    labels = (options_of(Gel)[name].about.label for name in names)
    return next(labels, "")


def _given(provenance: Provenance) -> dict[str, Any]:
    """The options of `read_displacement` that were given."""
    reading: Mapping[str, Any] = provenance.parameters["reading"]
    return {name: x for name, x in reading.items() if x is not None and x is not False}


def _changes(provenance: Provenance) -> dict[str, Any]:
    """Unit and lengths that were changed after reading."""
    as_read = provenance.parameters["as_read"]
    used: Mapping[str, Any] = provenance.parameters["displacement"]
    return {
        name: value
        for name, value in used.items()
        if not _is_equal(value, as_read[name])
    }


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _reading(provenance: Provenance) -> dict[str, Any] | None:
    """Options of `read_displacement` with unit and lengths that were changed later.

    None if reading with these options does not give the same displacements.
    """
    given, changes = _given(provenance), _changes(provenance)
    if not changes:
        return given
    if not _may_be_given(provenance, changes):
        return None
    used = provenance.parameters["displacement"]
    if any(name in changes for name in _LENGTHS):
        # Another length must not follow from the file.
        changes |= {name: used[name] for name in _LENGTHS if used[name] is not None}
    return {**given, **changes}


def _may_be_given(provenance: Provenance, changes: Mapping[str, Any]) -> bool:
    """Whether changes after reading are the same as options of reading.

    A unit that is given is that of the numbers in the file, which reading may have
    converted, and lengths that are given determine what positions mean.
    """
    as_read = provenance.parameters["as_read"]
    used = provenance.parameters["displacement"]
    if None in changes.values():
        return False
    if "unit" in changes and as_read["unit"] is not None:
        return False
    if as_read["spacing_in_unit"] is not None and used["unit"] == "um":
        return _is_equal(used["spacing_um"], as_read["spacing_in_unit"])
    positions = as_read["unit_of_positions"]
    return positions is None or (positions == "px" == as_read["unit"])
