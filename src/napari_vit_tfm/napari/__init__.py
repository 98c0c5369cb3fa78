"""The napari plugin: layers, reader, writer, sample data and the two docks.

The only place that knows napari and Qt. Importing this package imports
neither; the manifest ``napari.yaml`` names the modules that do.
"""
