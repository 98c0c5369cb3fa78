"""The napari plugin: reader, writer, sample data, layers and the two docks.

The only place that knows napari and Qt. Importing this package imports
neither; the manifest ``napari.yaml`` names the modules that do.
"""
