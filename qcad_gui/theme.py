"""Light and dark: one palette for Qt, for the 3-D view and for the plots, switchable while the program runs.

A `Theme` is plain data (hex colours) so that `scene/draw.py` can use it without Qt; Qt is imported only inside the functions that need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtGui import QIcon, QPalette
    from PySide6.QtWidgets import QApplication

#: distances between widgets in device-independent pixels; layouts use these and no other figures
TINY, SMALL, MEDIUM, LARGE, HUGE = 2, 4, 8, 16, 32
ICON_SIZE = 20


@dataclass(frozen=True)
class Theme:
    """Colours as "#rrggbb". `plot_lines` are told apart by people with any kind of colour vision (Okabe and Ito, 2008, "Color universal design")."""

    name: str
    window: str  # behind forms and panels
    base: str  # behind text that can be edited
    alternate: str
    text: str
    muted: str  # secondary text, disabled
    border: str
    accent: str  # selection, links, the default button
    on_accent: str
    good: str
    warning: str
    bad: str
    view_top: str  # background of the 3-D view, a gradient
    view_bottom: str
    view_text: str
    cell: str  # edges of the unit cell
    selected: str  # halo around selected atoms
    preview: str  # ghost of a structure not yet accepted
    measure: str
    force: str
    velocity: str
    positive: str  # isosurfaces
    negative: str
    plot_background: str
    plot_text: str
    plot_grid: str
    plot_lines: tuple[str, ...]

    @property
    def is_dark(self) -> bool:
        """True when text is lighter than what is behind it."""
        return luminance(self.window) < 0.5


LIGHT = Theme(
    "light",
    window="#f4f5f7",
    base="#ffffff",
    alternate="#f0f2f5",
    text="#1d2530",
    muted="#5f6b7a",
    border="#cfd5dd",
    accent="#1f66c1",
    on_accent="#ffffff",
    good="#1b7f4b",
    warning="#a86100",
    bad="#c0322b",
    view_top="#ffffff",
    view_bottom="#e9edf2",
    view_text="#1d2530",
    cell="#56616f",
    selected="#00a3d9",
    preview="#1f66c1",
    measure="#b3261e",
    force="#c62f2f",
    velocity="#0b7a75",
    positive="#2f7bd6",
    negative="#e0742a",
    plot_background="#ffffff",
    plot_text="#1d2530",
    plot_grid="#dfe4ea",
    plot_lines=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
)
DARK = Theme(
    "dark",
    window="#22272e",
    base="#1b1f25",
    alternate="#252b33",
    text="#e4e8ee",
    muted="#98a3b1",
    border="#3d4550",
    accent="#4a97f0",
    on_accent="#0d1117",
    good="#5cc48c",
    warning="#e8a33d",
    bad="#f0716a",
    view_top="#2b313a",
    view_bottom="#16191e",
    view_text="#e4e8ee",
    cell="#aab4c1",
    selected="#3cc8ff",
    preview="#6cb2ff",
    measure="#ff8a80",
    force="#ff6b60",
    velocity="#46d1c8",
    positive="#5aa2f5",
    negative="#f5995a",
    plot_background="#1b1f25",
    plot_text="#e4e8ee",
    plot_grid="#353c46",
    plot_lines=("#56b4e9", "#e69f00", "#35c598", "#e39cc6", "#f0704a", "#4c8fe0", "#f2f2f2"),
)
THEMES = {"light": LIGHT, "dark": DARK}


def rgb(colour: str) -> tuple[float, float, float]:
    """(red, green, blue), each 0 to 1, of "#rrggbb"."""
    return tuple(int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5))


def luminance(colour: str) -> float:
    """Relative luminance 0 to 1 of "#rrggbb" (WCAG 2.1, section 1.4.3)."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio 1 to 21 of two colours (WCAG 2.1); text needs 4.5."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def system_theme(app: QApplication | None = None) -> Theme:
    """DARK where the desktop asks for it, else LIGHT."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QGuiApplication

    instance = app or QGuiApplication.instance()
    hints = instance.styleHints() if instance is not None else None
    return DARK if hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark else LIGHT


def choose(name: str, app: QApplication | None = None) -> Theme:
    """The theme called "light", "dark" or "system"; raises ValueError for another name."""
    if name == "system":
        return system_theme(app)
    if name not in THEMES:
        raise ValueError(f"There is no theme {name!r}. Allowed: system, {', '.join(THEMES)}.")
    return THEMES[name]


def qt_palette(theme: Theme) -> QPalette:
    """The Qt palette of `theme`, its disabled group included."""
    from PySide6.QtGui import QColor, QPalette

    palette = QPalette()
    role = QPalette.ColorRole
    for target, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.base),
        (role.AlternateBase, theme.alternate),
        (role.Text, theme.text),
        (role.Button, theme.window),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.bad),
        (role.ToolTipBase, theme.base),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.on_accent),
        (role.Link, theme.accent),
        (role.LinkVisited, theme.accent),
        (role.Light, theme.base),
        (role.Midlight, theme.alternate),
        (role.Mid, theme.border),
        (role.Dark, theme.border),
        (role.Shadow, theme.border),
        (role.Accent, theme.accent),
    ):
        palette.setColor(target, QColor(colour))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, QColor(theme.muted))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.border))
    return palette


def style_sheet(theme: Theme) -> str:
    """The few rules a palette cannot express: thin borders, quiet tool buttons, slim docks."""
    return f"""
QToolTip {{ color: {theme.text}; background: {theme.base}; border: 1px solid {theme.border}; padding: {SMALL}px; }}
QToolBar {{ border: 0; border-bottom: 1px solid {theme.border}; spacing: {TINY}px; padding: {SMALL}px; }}
QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: {SMALL}px; }}
QToolButton:hover {{ background: {theme.alternate}; border-color: {theme.border}; }}
QToolButton:checked, QToolButton:pressed {{ background: {theme.accent}; color: {theme.on_accent}; }}
QToolButton:focus {{ border-color: {theme.accent}; }}
QDockWidget::title {{ padding: 0 {MEDIUM}px; background: {theme.alternate}; border-bottom: 1px solid {theme.border}; }}
QStatusBar {{ border-top: 1px solid {theme.border}; }}
QMainWindow::separator {{ background: {theme.border}; width: 1px; height: 1px; }}
QLabel[role="muted"] {{ color: {theme.muted}; }}
QLabel[role="title"] {{ font-size: 20pt; font-weight: 600; }}
QLabel[role="heading"] {{ font-weight: 600; }}
QLabel[role="good"] {{ color: {theme.good}; }}
QLabel[role="warning"] {{ color: {theme.warning}; }}
QLabel[role="bad"] {{ color: {theme.bad}; }}
"""


def apply(app: QApplication, theme: Theme) -> None:
    """Give the whole application `theme`: style Fusion (the same on every desktop), palette, style sheet."""
    if app.property("qcad_style") != "Fusion":  # once a style sheet is set, style() no longer tells its name
        app.setStyle("Fusion")
        app.setProperty("qcad_style", "Fusion")
    app.setPalette(qt_palette(theme))
    app.setStyleSheet(style_sheet(theme))


def icon(name: str, theme: Theme) -> QIcon:
    """The icon `resources/icons/NAME.svg` in the theme's colours, sharp at 1×, 2× and 3×; raises MissingError when there is none."""
    from PySide6.QtCore import QByteArray, QRectF, Qt
    from PySide6.QtGui import QIcon, QPainter, QPixmap
    from PySide6.QtSvg import QSvgRenderer

    from solvers.core.paths import resource

    text = resource("icons", f"{name}.svg").read_text(encoding="utf-8")
    out = QIcon()
    for mode, state, colour in (
        (QIcon.Mode.Normal, QIcon.State.Off, theme.text),
        (QIcon.Mode.Disabled, QIcon.State.Off, theme.muted),
        (QIcon.Mode.Normal, QIcon.State.On, theme.on_accent),
    ):
        renderer = QSvgRenderer(QByteArray(text.replace("currentColor", colour).encode()))
        for scale in (1, 2, 3):
            pixmap = QPixmap(ICON_SIZE * scale, ICON_SIZE * scale)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer.render(painter, QRectF(0, 0, ICON_SIZE * scale, ICON_SIZE * scale))
            painter.end()
            pixmap.setDevicePixelRatio(scale)
            out.addPixmap(pixmap, mode, state)
    return out


def style_plot(widget, theme: Theme) -> None:
    """Give a pyqtgraph PlotWidget the theme's background, axes and grid; call again when the theme changes."""
    widget.setBackground(theme.plot_background)
    for side in ("left", "bottom", "right", "top"):
        axis = widget.getPlotItem().getAxis(side)
        axis.setPen(theme.plot_text)
        axis.setTextPen(theme.plot_text)
    widget.showGrid(x=True, y=True, alpha=0.25)


def matplotlib_style(theme: Theme) -> dict[str, str]:
    """rcParams for a matplotlib figure that stands beside the window."""
    return {
        "figure.facecolor": theme.plot_background,
        "axes.facecolor": theme.plot_background,
        "savefig.facecolor": theme.plot_background,
        "text.color": theme.plot_text,
        "axes.labelcolor": theme.plot_text,
        "axes.edgecolor": theme.plot_text,
        "xtick.color": theme.plot_text,
        "ytick.color": theme.plot_text,
        "grid.color": theme.plot_grid,
    }
