"""The napari plugin: reader, writer, sample data, layers and the docks.

Only this package uses napari and Qt. Importing the package itself does not import them;
the modules that the manifest ``napari.yaml`` names do.
"""
