"""Exporters: one finite-element dialect per file, each with ``export(material, path, *, units, orientation, name) -> text`` and ``read_back(text) -> Deck``."""
