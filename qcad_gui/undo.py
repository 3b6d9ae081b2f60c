"""Undo: one command does nearly everything, because structures are frozen. `SetNode` swaps a node's snapshot before for the one after.

`before` None = the node did not exist; `after` None = it goes to the trash. Undo restores data, never camera or selection. The commands hold no
Qt object; they reach the session through a weak reference, so that a stack deleted late finds nobody and does nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QUndoCommand, QUndoStack

LIMIT = 200
_MERGE_ID = 1


class SetNode(QUndoCommand):
    """Replace node `node_id`: snapshot `before` by `after`. Consecutive commands with the same non-empty `merge` key become one (drags, spin boxes).

    `apply(node_id, snapshot, how)` is told "do" (first time), "undo" or "redo". `done` commands come from the project's history: pushing them does nothing.
    """

    def __init__(self, apply: Callable[[str, Any, str], None], node_id: str, before: Any, after: Any, text: str, *, merge: str = "", done: bool = False):
        super().__init__(text)
        self._apply = weakref.WeakMethod(apply)
        self._pushed = False
        self._silent = done
        self.node_id, self.before, self.after, self.merge = node_id, before, after, merge

    def _to(self, snapshot: Any, how: str) -> None:
        apply = self._apply()
        if apply is not None:
            apply(self.node_id, snapshot, how)

    def undo(self) -> None:
        """Back to the snapshot before."""
        self._to(self.before, "undo")

    def redo(self) -> None:
        """Forward to the snapshot after."""
        first, self._pushed = not self._pushed, True
        if not (first and self._silent):
            self._to(self.after, "do" if first else "redo")

    def id(self) -> int:
        """Same for commands that may merge, -1 for the others."""
        return _MERGE_ID if self.merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:  # noqa: N802 (Qt's name)
        """Take over `other`'s end when both belong to the same gesture on the same node."""
        if not self.takes(other):
            return False
        self.after = other.after
        return True

    def takes(self, other: QUndoCommand) -> bool:
        """Whether `other` is the same gesture on the same node."""
        return isinstance(other, SetNode) and bool(self.merge) and other.merge == self.merge and other.node_id == self.node_id


def make_stack(parent: Any) -> QUndoStack:
    """A stack of `LIMIT` steps."""
    stack = QUndoStack(parent)
    stack.setUndoLimit(LIMIT)
    return stack
