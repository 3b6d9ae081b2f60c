"""The 3-D view. This package is the only importer of VTK and pyvista; `view.py` is the only place where they meet Qt."""
