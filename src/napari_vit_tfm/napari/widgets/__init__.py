"""Widgets that both docks use."""
