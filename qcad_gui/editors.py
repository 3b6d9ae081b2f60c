"""Editors of single parameters where a line of text is not good enough. Each speaks like a `QLineEdit` (`text`, `setText`, `textEdited`)."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QWidget

from .translate import mark, tr

#: parameter -> the dialog that fills it, and what its button says
DIALOGS: dict[str, tuple[str, str]] = {
    "cutoff": ("convergence", mark("Find the cutoff and the k-points that a wanted error needs")),
    "pseudos": ("potentials", mark("Choose the potentials of the elements in a table")),
    "kpts": ("kmesh", mark("Choose the k-points and see them in the Brillouin zone")),
    "magmoms": ("moments", mark("Set the starting moments atom by atom or by element")),
    "hubbard": ("hubbard", mark("Set the Hubbard U of each element's shell")),
}
KINDS = {
    "none": mark("none (whole bands)"),
    "fermi-dirac": mark("Fermi–Dirac"),
    "gaussian": mark("Gaussian"),
    "methfessel-paxton": mark("Methfessel–Paxton"),
    "cold": mark("cold (Marzari–Vanderbilt)"),
}
_WIDTH = "0.05"  # eV, where none was given before


class SmearingEdit(QWidget):
    """Kind and width of the occupations' smearing; as text ``fermi-dirac:0.05eV``."""

    textEdited = Signal(str)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.kind = QComboBox(self)
        for name, text in KINDS.items():
            self.kind.addItem(tr(text), name)
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.setMinimumContentsLength(8)
        self.width_edit = QLineEdit(self)
        self.width_edit.setFixedWidth(52)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.kind, 1)
        row.addWidget(self.width_edit)
        self.setFocusProxy(self.kind)
        self.kind.currentIndexChanged.connect(self._edited)
        self.width_edit.textEdited.connect(self._edited)

    def _edited(self, *_: object) -> None:
        needs = self.kind.currentData() != "none"
        self.width_edit.setEnabled(needs)
        if needs and not self.width_edit.text().strip():
            self.width_edit.setText(_WIDTH)
        self.textEdited.emit(self.text())

    def text(self) -> str:
        """What the parameter understands; a width without a unit is eV."""
        kind, width = self.kind.currentData(), self.width_edit.text().strip().replace(",", ".").replace(" ", "")
        return "none" if kind == "none" else f"{kind}:{width}{'' if width[-1:].isalpha() else 'eV'}"

    def setText(self, text: str) -> None:  # noqa: N802 (as QLineEdit)
        """Show a smearing; what is not one is shown as it was typed, in the width."""
        kind, _, width = text.partition(":")
        with QSignalBlocker(self.kind):
            self.kind.setCurrentIndex(max(0, self.kind.findData(kind.strip().lower() or "none")))
        self.width_edit.setText(width.removesuffix("eV").strip())
        self.width_edit.setEnabled(self.kind.currentData() != "none")

    def setCursorPosition(self, place: int) -> None:  # noqa: N802
        """Of the width."""
        self.width_edit.setCursorPosition(place)

    def setToolTip(self, text: str) -> None:  # noqa: N802
        """On both parts."""
        super().setToolTip(text)
        self.kind.setToolTip(text)
        self.width_edit.setToolTip(text + "\n" + tr("Width in eV; other units can be written: 0.004 Ha, 580 K"))

    def setAccessibleName(self, text: str) -> None:  # noqa: N802
        """On both parts."""
        super().setAccessibleName(text)
        self.kind.setAccessibleName(text)
        self.width_edit.setAccessibleName(tr("Width of the smearing"))


#: parameter -> widget class
INLINE: dict[str, type[QWidget]] = {"smearing": SmearingEdit}
