"""`Provenance`: what tractions were computed from, with which versions and options."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from napari_vit_tfm import __version__
from napari_vit_tfm.config import (
    MODEL_ENDINGS,
    READING_OPTIONS,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel

KEY = "provenance"
"""Key of the provenance in the metadata of a `TractionStack`."""

_LIBRARIES = ("numpy", "scipy", "torch")
_PARTS = (
    "reading",
    "as_read",
    "displacement",
    "gel",
    "preparation",
    "reconstruction",
)
"""Parts of the parameters of a run."""

_T = TypeVar("_T")
OnUnknown = Callable[[str, Any], None]
"""Called with name and value of an option that this version does not have."""

INPUT, INPUT_SHA256, MADE_BY = "input", "input_sha256", "made_by"
"""Attributes that tell from what, and by which command, a file was made."""

_NAMES = (INPUT, INPUT_SHA256, "parameters", "versions")


def _refuse(name: str, _value: Any) -> None:
    """Raise an error for an option that this version does not have."""
    raise ConfigError(f"this version has no option {name}")


@dataclass(frozen=True)
class Provenance:
    """What tractions were computed from, with which versions and options.

    Parameters
    ----------
    files : tuple of Path
        The files with the displacements; empty if they were in no file.
    input_sha256 : str
        Their SHA-256, see `files_sha256`; empty if a file is not there.
    parameters : mapping
        All options: ``reading``, the options of `read_displacement` that were given;
        ``as_read``, unit, lengths and gel after reading, and the unit of the
        positions in the file; ``displacement``, the unit and the lengths that were
        used; ``gel``; ``preparation``; ``reconstruction``; ``device``, the one that
        was used; and ``noise_map_sha256``, the SHA-256 of the file with the noise of
        every vector, empty if there is none.
    versions : mapping of str to str
        Versions of this package, Python and the libraries that compute.
    made_by : str
        The command that computed the tractions; empty if it was a script or the plugin.

    Examples
    --------
    Displacements that were in no file:

    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack, Gel, ReconstructionConfig
    >>> from napari_vit_tfm.config import PreparationConfig
    >>> from napari_vit_tfm.provenance import Provenance
    >>> found = Provenance.of(
    ...     DisplacementStack(np.zeros((1, 16, 16, 2)), unit="grid"),
    ...     gel=Gel(young_pa=5_000),
    ...     preparation=PreparationConfig(bin_size=2),
    ...     config=ReconstructionConfig(model="fttc"),
    ...     device="cpu",
    ... )
    >>> found.files, found.parameters["preparation"]["bin_size"]
    ((), 2)
    """

    files: tuple[Path, ...]
    input_sha256: str
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    made_by: str = ""

    @classmethod
    def of(
        cls,
        displacement: Displacement,
        *,
        gel: Gel,
        preparation: PreparationConfig,
        config: ReconstructionConfig,
        device: str,
        made_by: str = "",
    ) -> Provenance:
        """The provenance of tractions that are about to be computed.

        Parameters
        ----------
        displacement : Displacement
            The displacements, before their preparation.
        gel : Gel, keyword-only
            The gel.
        preparation : PreparationConfig, keyword-only
            What is done to the displacements first.
        config : ReconstructionConfig, keyword-only
            Model and options.
        device : str, keyword-only
            The device that computes.
        made_by : str, keyword-only
            The command that computes.
        """
        files = tuple(
            Path(name).absolute() for name in displacement.metadata.get("files", ())
        )
        reconstruction = asdict(config)
        if Path(config.model).suffix.lower() in MODEL_ENDINGS:
            reconstruction["model"] = str(Path(config.model).absolute())
        noise_map = config.noise.per_vector
        if noise_map:
            reconstruction["noise"]["per_vector"] = str(Path(noise_map).absolute())
        return cls(
            files,
            files_sha256(files) if all(file.is_file() for file in files) else "",
            {
                "reading": dict(displacement.metadata.get("reading", {})),
                "as_read": dict(displacement.metadata.get("as_read", {})),
                "displacement": {
                    "unit": displacement.unit,
                    "spacing_um": displacement.spacing_um,
                    "pixel_size_um": displacement.pixel_size_um,
                },
                "gel": asdict(gel),
                "preparation": asdict(preparation),
                "reconstruction": reconstruction,
                "device": device,
                "noise_map_sha256": file_sha256(noise_map) if noise_map else "",
            },
            installed_versions(),
            made_by,
        )

    @property
    def read(self) -> tuple[Path, ...]:
        """All files that were read: the input, and that of the model."""
        model = Path(self.parameters.get("reconstruction", {}).get("model", ""))
        is_file = model.suffix.lower() in MODEL_ENDINGS
        return (*self.files, model) if is_file else self.files

    def options(self, part: str, kind: type[_T], on_unknown: OnUnknown = _refuse) -> _T:
        """Options of a part of the run.

        Parameters
        ----------
        part : str
            Name of the part in `parameters`, such as ``preparation``.
        kind : type
            Its dataclass, such as `PreparationConfig`.
        on_unknown : callable
            Called with name and value of each option that this version does not have,
            and that is left out; by default, it is an error.

        Returns
        -------
        object of this type

        Raises
        ------
        TFMError
            If a value is not possible.
        """
        return _built(kind, self.parameters[part], on_unknown)

    def reading(
        self, *, allow_links: bool, on_unknown: OnUnknown = _refuse
    ) -> dict[str, Any]:
        """Options of `read_displacement` that were given.

        Parameters
        ----------
        allow_links : bool, keyword-only
            As for `read_displacement`: only the user may say so, and not a file.
        on_unknown : callable, keyword-only
            As for `options`.
        """
        values = self.parameters["reading"]
        for name in values.keys() - set(READING_OPTIONS):
            on_unknown(name, values[name])
        known = {name: values[name] for name in READING_OPTIONS if name in values}
        return {**known, "allow_links": allow_links}

    def attributes(self, folder: Path) -> dict[str, str]:
        """Attributes of a file in a folder.

        Parameters
        ----------
        folder : Path
            Folder of the file.

        Returns
        -------
        dict of str to str
            ``input``, a list of files, ``parameters`` and ``versions`` as JSON,
            ``input_sha256``, and ``made_by`` if it was a command. Paths are relative to
            the folder.
        """
        parameters = dict(self.parameters)
        reconstruction = dict(parameters["reconstruction"])
        if Path(reconstruction["model"]).is_absolute():
            reconstruction["model"] = relative_to(folder, reconstruction["model"])
        noise = dict(reconstruction.get("noise", {}))
        if noise.get("per_vector"):
            noise["per_vector"] = relative_to(folder, noise["per_vector"])
            reconstruction["noise"] = noise
        parameters["reconstruction"] = reconstruction
        return {
            INPUT: json.dumps([relative_to(folder, file) for file in self.files]),
            INPUT_SHA256: self.input_sha256,
            "parameters": json.dumps(parameters),
            "versions": json.dumps(dict(self.versions)),
            **({MADE_BY: self.made_by} if self.made_by else {}),
        }

    def determining(self, *, model: str, model_sha256: str) -> dict[str, Any]:
        """What determines the tractions, apart from rounding.

        The device and the size of the batches are not in it, nor are the places of
        files: it has the content of the input and of the weights.

        Parameters
        ----------
        model : str, keyword-only
            Name of the loaded method.
        model_sha256 : str, keyword-only
            SHA-256 of its weights.

        Returns
        -------
        dict
            Values that JSON can hold, by name: ``input``, ``reading``, ``lengths``,
            ``gel``, ``preparation``, ``model``, ``options`` and ``versions``.
        """
        known = self.parameters
        options = {
            name: value
            for name, value in known["reconstruction"].items()
            if name not in ("model", "device", "batch_size")
        }
        # Its content counts, not its place.
        options["noise"] = {
            **options["noise"],
            "per_vector": known["noise_map_sha256"],
        }
        found = {
            "input": self.input_sha256,
            "reading": known["reading"],
            "lengths": known["displacement"],
            "gel": known["gel"],
            "preparation": known["preparation"],
            "model": {"name": model, "weights": model_sha256},
            "options": options,
            "versions": dict(self.versions),
        }
        copied: dict[str, Any] = json.loads(json.dumps(found))
        return copied

    @classmethod
    def in_attributes(
        cls, attributes: Mapping[str, Any], folder: Path
    ) -> Provenance | None:
        """The provenance in the attributes of a file.

        Parameters
        ----------
        attributes : mapping
            The attributes.
        folder : Path
            Folder of the file.

        Returns
        -------
        Provenance or None
            None if the file has none, or it is damaged.
        """
        if not all(isinstance(attributes.get(name), str) for name in _NAMES):
            return None
        try:
            files, parameters, versions = (
                json.loads(attributes[name])
                for name in (INPUT, "parameters", "versions")
            )
            parts = {name: parameters[name] for name in _PARTS}
            of_method = parts["reconstruction"]["options"]
            if not _are_tables(versions, of_method, *parts.values()):
                return None
            if not isinstance(parameters["device"], str):
                return None
            paths = tuple(_beside(name, folder) for name in files)
            model = parameters["reconstruction"]["model"]
            if Path(model).suffix.lower() in MODEL_ENDINGS:
                parameters["reconstruction"]["model"] = str(_beside(model, folder))
            noise = parameters["reconstruction"].get("noise", {})
            if noise.get("per_vector"):
                noise["per_vector"] = str(_beside(noise["per_vector"], folder))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        made_by = str(attributes.get(MADE_BY, ""))
        return cls(paths, attributes[INPUT_SHA256], parameters, versions, made_by)


def _built(kind: type[_T], values: Mapping[str, Any], on_unknown: OnUnknown) -> _T:
    """A dataclass from plain values, and the dataclasses in it."""
    # Every kind is a dataclass.
    defaults = {item.name: item.default for item in fields(kind)}  # type: ignore[arg-type]
    found = {}
    for name, value in values.items():
        if name not in defaults:
            on_unknown(name, value)
            continue
        default = defaults[name]
        if is_dataclass(default) and isinstance(value, Mapping):
            value = _built(type(default), value, on_unknown)
        found[name] = value
    return kind(**found)


def _are_tables(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def installed_versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that compute, by name."""
    return {
        "napari-vit-tfm": __version__,
        "python": platform.python_version(),
        **{name: _version_of(name) for name in _LIBRARIES},
    }


@cache
def _version_of(library: str) -> str:
    """Version of an installed library, which does not change while it is in use."""
    return version(library)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal; an unchanged file is read only once."""
    state = Path(path).stat()
    return _sha256(os.path.realpath(path), state.st_size, state.st_mtime_ns)


def files_sha256(paths: Sequence[Path]) -> str:
    """SHA-256 of one or several files, in hexadecimal.

    Parameters
    ----------
    paths : sequence of Path
        The files.

    Returns
    -------
    str
        Of one file, its SHA-256. Of several, the SHA-256 of those of the files, in
        this order. Empty for no file.
    """
    if len(paths) < 2:
        return "".join(map(file_sha256, paths))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


@lru_cache(maxsize=10_000)
def _sha256(path: str, _size: int, _modified_ns: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def relative_to(folder: Path, path: str | Path) -> str:
    """A path from a folder; absolute if they are on different drives."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return Path(path).as_posix()


def _beside(path: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder.absolute() / path))
