"""Vector fields as napari layers, and layers as vector fields.

``tags`` says what a layer shows, ``drawing`` makes a field's layers, and
``runs`` handles the layers of displacements and of their tractions together.
"""
