"""The attention dock: what the network attends to for a clicked patch.

``mouse_and_keys`` reports clicks as positions. ``inspector`` turns them into what is
``shown``, and ``requests`` computes in a thread what is not known yet. ``layers`` draws
the map over the field. ``dock`` and its ``controls`` are at the side of napari's
window; ``panel`` with ``gallery`` and ``plots`` is below the canvas. ``export`` saves
the results.
"""
