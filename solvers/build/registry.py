"""`BUILDERS`: name -> how a structure is made or changed. Read by the CLI (``qcad build``), recipes (``do = "build.bulk"``) and the window's dialogs.

Nothing is imported until a builder is used.
"""
from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import SetupError
from ..core.params import from_dict

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Builder:
    """One builder: `function(params)` makes a structure; with `needs_structure` it is `function(atoms, params)` and leaves `atoms` as it was.

    Calling the builder takes keywords: ``supercell(atoms, size="2x2x2")``.
    """

    name: str
    module: str
    params_name: str
    summary: str
    needs_structure: bool

    def params_class(self) -> type:
        """The params class (`core.params.describe` lists its fields)."""
        return getattr(importlib.import_module(f"solvers.build.{self.module}"), self.params_name)

    @property
    def function(self):
        """The function that does it."""
        return getattr(importlib.import_module(f"solvers.build.{self.module}"), self.name)

    def __call__(self, atoms: Atoms | None = None, **values: Any) -> Atoms:
        """The new structure. Raises SetupError for a wrong parameter, StructureError for a structure that cannot be used so."""
        if self.needs_structure and atoms is None:
            raise SetupError(f"Builder {self.name!r} changes a structure and was given none.", hint="Give a file or a step to start from.")
        if not self.needs_structure and atoms is not None:
            raise SetupError(f"Builder {self.name!r} makes a structure from nothing and was given one.", hint="Leave the structure out.")
        params = from_dict(self.params_class(), values)
        return self.function(atoms, params) if self.needs_structure else self.function(params)


_ROWS = (
    ("bulk", "crystals", "Bulk", "A crystal of a common prototype: fcc, bcc, hcp, diamond, rocksalt …", False),
    ("crystal", "crystals", "Crystal", "A crystal from its space group and occupied sites", False),
    ("molecule", "crystals", "Molecule", "A small molecule in a box", False),
    ("supercell", "cells", "Supercell", "Repeat the cell, or take a whole-number combination of its vectors", True),
    ("strain", "cells", "Strain", "Strain cell and atoms together", True),
    ("set_cell", "cells", "SetCell", "Give the cell new lengths and angles", True),
    ("standardise", "cells", "Standardise", "The conventional standard cell of the space group", True),
    ("primitive", "cells", "Primitive", "The primitive standard cell of the space group", True),
    ("wrap", "cells", "Wrap", "Bring every atom into the cell", True),
    ("translate", "cells", "Translate", "Shift all or some atoms", True),
    ("slab", "surfaces", "Slab", "Cut a slab with a given surface and add vacuum", True),
    ("vacancy", "defects", "Vacancy", "Remove atoms, chosen or at random", True),
    ("substitute", "defects", "Substitute", "Replace atoms by another element, chosen or at random", True),
    ("rattle", "defects", "Rattle", "Displace every atom at random", True),
    ("add", "edits", "Add", "Add one atom", True),
    ("move", "edits", "Move", "Move atoms by a vector, or one atom to a point", True),
    ("delete", "edits", "Delete", "Delete atoms", True),
    ("set_element", "edits", "SetElement", "Change the element of atoms", True),
    ("fix", "edits", "Fix", "Hold atoms in place during relaxation and dynamics", True),
)
BUILDERS: dict[str, Builder] = {row[0]: Builder(*row) for row in _ROWS}


def builder(name: str) -> Builder:
    """The builder called `name`; SetupError with the nearest name otherwise."""
    key = name.replace("-", "_")
    if key in BUILDERS:
        return BUILDERS[key]
    import difflib
    near = difflib.get_close_matches(key, BUILDERS, 1)
    raise SetupError(f"Unknown builder {name!r}.", hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(BUILDERS)}.")
