"""Registration of named methods, and loading of methods by name or file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from napari_vit_tfm.config import (
    BUNDLED_MODEL,
    MIN_SIDE,
    MODEL_ENDINGS,
    ORIGINAL_ENDINGS,
)
from napari_vit_tfm.errors import ConfigError, ModelError
from napari_vit_tfm.models import methods
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.options import Option, options_of

Make = TypeVar("Make", bound=Callable[..., ReconstructionMethod])

_REGISTERED: dict[str, RegisteredMethod] = {}


@dataclass(frozen=True)
class RegisteredMethod:
    """Entry of a method in the registry, for menus, help and `load`.

    Parameters
    ----------
    name : str
        Name in files, on the command line and in Python.
    words : str
        Name in menus and help.
    make : callable
        Creates the method. It takes an instance of `options_type` if there is one.
    options_type : type, optional
        A dataclass of options; see `napari_vit_tfm.options`.
    is_classical : bool
        Whether networks are compared with this method: it uses no network and only
        information that a user has.
    """

    name: str
    words: str
    make: Callable[..., ReconstructionMethod]
    options_type: type[Any] | None
    is_classical: bool

    @property
    def options(self) -> dict[str, Option]:
        """Its options, by name."""
        return options_of(self.options_type)

    @property
    def min_side(self) -> int:
        """Smallest number of vectors along a side of a field."""
        method = self._class
        return MIN_SIDE if method is None else method.min_side

    @property
    def balances_forces(self) -> bool:
        """Whether the net force of every field is zero."""
        method = self._class
        return method is not None and method.balances_forces

    @property
    def _class(self) -> type[ReconstructionMethod] | None:
        """The class of the method; None for a network, which has to be loaded."""
        made = self.make
        if isinstance(made, type) and issubclass(made, ReconstructionMethod):
            return made
        return None


def register(
    name: str,
    *,
    words: str,
    options: type[Any] | None = None,
    is_classical: bool = False,
) -> Callable[[Make], Make]:
    """Register a method: a class, or a function that returns the method.

    Parameters
    ----------
    name : str
        Name of the method.
    words, is_classical : keyword-only
        As for `RegisteredMethod`.
    options : type, keyword-only, optional
        Dataclass of the options. The class or function is called with an instance of
        it, or without arguments if there are no options.

    Raises
    ------
    ValueError
        If a method of this name exists already.
    """

    def registered(make: Make) -> Make:
        if name in _REGISTERED:
            raise ValueError(f"there are two methods with the name {name!r}")
        _REGISTERED[name] = RegisteredMethod(name, words, make, options, is_classical)
        return make

    return registered


@cache
def registered_methods() -> Mapping[str, RegisteredMethod]:
    """All named methods by name, the bundled network first.

    The first call imports every module of `models.methods`.

    Examples
    --------
    >>> from napari_vit_tfm.models.registry import registered_methods
    >>> list(registered_methods())
    ['vit', 'fttc', 'bayesian-fttc']
    """
    for module in iter_modules(methods.__path__):
        import_module(f"{methods.__name__}.{module.name}")
    found = sorted(
        _REGISTERED.values(),
        key=lambda method: (method.name != BUNDLED_MODEL, method.make.__module__),
    )
    return {method.name: method for method in found}


def min_side_of(model: str) -> int:
    """Smallest number of vectors along a side of a field, without loading a model.

    Parameters
    ----------
    model : str
        A registered name or the path of a model file.

    Examples
    --------
    >>> from napari_vit_tfm.models.registry import min_side_of
    >>> min_side_of("vit"), min_side_of("fttc")
    (8, 4)
    """
    method = registered_methods().get(model)
    return MIN_SIDE if method is None else method.min_side


def balances_forces(name: str) -> bool:
    """Whether tractions of a method have no net force, whatever the cell does.

    Parameters
    ----------
    name : str
        Name of the method with its options, as in the attributes of tractions; empty
        if it is not known.

    Examples
    --------
    >>> from napari_vit_tfm.models.registry import balances_forces
    >>> balances_forces("fttc (regularisation 0.5)"), balances_forces("vit")
    (True, False)
    """
    method = registered_methods().get(name.split(" (")[0])
    return method is not None and method.balances_forces


def classical_names() -> tuple[str, ...]:
    """Names of the classical methods that networks are compared with."""
    return tuple(
        name for name, method in registered_methods().items() if method.is_classical
    )


def load(
    name_or_path: str | Path,
    *,
    heads: int | None = None,
    options: Mapping[str, float] | None = None,
) -> ReconstructionMethod:
    """Load a reconstruction method.

    Parameters
    ----------
    name_or_path : str or path
        A registered name, such as "vit" for the bundled network or "fttc"; or the
        path of a network of this project (``.safetensors``), a checkpoint in the
        original format (``.pth``, ``.pt``) or the published CNN (``.h5``).
    heads : int, keyword-only, optional
        Number of attention heads of an original checkpoint, which the file does not
        contain. None uses the usual number for its form.
    options : mapping of str to float, keyword-only, optional
        Options of the method, such as the "regularisation" of "fttc" in squared grid
        steps. They become part of the name of the method.

    Returns
    -------
    ReconstructionMethod

    Raises
    ------
    ModelError
        If there is no such method or file, or the file is not a model.
    ConfigError
        If the method has no such option, or its value is out of range.

    Examples
    --------
    >>> import torch
    >>> from napari_vit_tfm.models import load
    >>> method = load("fttc")
    >>> method.traction(torch.zeros(1, 2, 32, 32)).shape
    torch.Size([1, 2, 32, 32])
    >>> load("fttc", options={"regularisation": 0.5}).name
    'fttc (regularisation 0.5)'
    """
    options = options or {}
    registered = registered_methods().get(str(name_or_path))
    if registered is not None:
        return _from_registry(registered, options)
    path = Path(name_or_path)
    if not path.is_file():
        raise ModelError(
            f"no model {str(name_or_path)!r}: it is neither a file "
            f"nor one of {', '.join(registered_methods())}"
        )
    _check_options(path.name, {}, options)
    return _from_file(path, heads)


def _from_registry(
    registered: RegisteredMethod, options: Mapping[str, float]
) -> ReconstructionMethod:
    _check_options(registered.name, registered.options, options)
    if registered.options_type is None:
        return registered.make()
    method = registered.make(registered.options_type(**options))
    if options:
        chosen = ", ".join(f"{name} {value:g}" for name, value in options.items())
        method.name = f"{registered.name} ({chosen})"
    return method


def _check_options(
    model: str, known: Mapping[str, Option], options: Mapping[str, float]
) -> None:
    for name, value in options.items():
        if name in known:
            known[name].check(value)
            continue
        others = [
            method.name
            for method in registered_methods().values()
            if name in method.options
        ]
        hint = f"; it is an option of {', '.join(others)}" if others else ""
        raise ConfigError(f"{model} has no option {name}{hint}")


def _from_file(path: Path, heads: int | None) -> ReconstructionMethod:
    # These import torch.
    from napari_vit_tfm.models.cnn import load_cnn
    from napari_vit_tfm.models.original import load_original
    from napari_vit_tfm.models.weights import load_network

    ending = path.suffix.lower()
    if ending == ".safetensors":
        return load_network(path)
    if ending in ORIGINAL_ENDINGS:
        return load_original(path, heads=heads)
    if ending in (".h5", ".hdf5"):
        return load_cnn(path)
    raise ModelError(f"{path}: models are read from {', '.join(MODEL_ENDINGS)} files")
