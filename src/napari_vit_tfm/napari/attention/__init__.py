"""The attention dock: what the network attends to for a clicked patch.

``mouse_and_keys`` reports the positions of clicks. ``inspector`` finds the patch and
resolves what is ``shown``. ``requests`` has the computations in threads. ``layers``
draws the map over the field. ``dock`` and its ``controls`` are at the side of napari's
window; ``panel`` with ``gallery`` and ``plots`` is below the canvas. ``export`` saves
the results.
"""
