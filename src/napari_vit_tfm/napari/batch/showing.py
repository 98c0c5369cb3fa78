"""The layers of an experiment's results."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass

from napari.components import LayerList
from napari.layers import Layer

from napari_vit_tfm.napari.batch.running import LoadedResults, Loading
from napari_vit_tfm.napari.layers.drawing import field_layers, with_outline
from napari_vit_tfm.napari.layers.reading import field_of
from napari_vit_tfm.napari.layers.registry import without_proxy
from napari_vit_tfm.napari.layers.results import show_tractions

Reference = weakref.ref[Layer]


@dataclass(frozen=True)
class _Shown:
    """Layers of an experiment: those that are visible, and the others."""

    tractions: Reference
    visible: tuple[Reference, ...]
    hidden: tuple[Reference, ...]


class ShownExperiments:
    """The layers that the dock has added; those of one experiment are visible.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.
    """

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._shown: dict[Loading, _Shown] = {}

    def show_again(self, loading: Loading) -> bool:
        """Show the layers of an experiment, if all of them are still there."""
        known = self._shown.get(loading)
        if known is None:
            return False
        visible = self._present(known.visible)
        hidden = self._present(known.hidden)
        if len(visible) + len(hidden) < len(known.visible) + len(known.hidden):
            return False
        self._hide()
        for layer in visible:
            layer.visible = True
        self._layers.selection.active = known.tractions()
        return True

    def add(self, loading: Loading, results: LoadedResults) -> None:
        """Add layers of displacements and tractions, and hide those of the others.

        The displacements are hidden, too: the tips of their arrows would show beside
        the tractions. What is left of earlier layers of the experiment is removed.

        Parameters
        ----------
        loading : Loading
            The experiment.
        results : LoadedResults
            Its results.
        """
        self._remove(loading)
        self._hide()
        before = list(self._layers)
        stack = results.displacement
        data = field_layers(stack, title=loading.name, visible=False)
        new = [Layer.create(*one) for one in with_outline(stack, data)]
        self._layers.extend(new)
        field = field_of(self._layers, new[-1])
        assert field is not None
        shown = show_tractions(
            self._layers,
            results.traction,
            field,
            source=stack,
            config=results.config,
        )
        assert shown.image is not None
        self._layers.selection.active = shown.image
        added = [layer for layer in self._layers if layer not in before]
        self._shown[loading] = _Shown(
            weakref.ref(without_proxy(shown.image)),
            _references(layer for layer in added if layer.visible),
            _references(layer for layer in added if not layer.visible),
        )

    def _remove(self, loading: Loading) -> None:
        known = self._shown.pop(loading, None)
        if known is not None:
            for layer in self._present((*known.visible, *known.hidden)):
                self._layers.remove(layer)

    def _hide(self) -> None:
        for known in self._shown.values():
            for layer in self._present((*known.visible, *known.hidden)):
                layer.visible = False

    def _present(self, references: Iterable[Reference]) -> list[Layer]:
        found = (reference() for reference in references)
        return [one for one in found if one is not None and one in self._layers]


def _references(layers: Iterable[Layer]) -> tuple[Reference, ...]:
    return tuple(weakref.ref(without_proxy(layer)) for layer in layers)
