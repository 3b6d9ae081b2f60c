"""The main window: scene in the middle, project on the left, tools on the right, jobs, results and timeline below. It only arranges; panels do the work."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QFileDialog, QLabel, QMainWindow, QMenu, QScrollArea, QStackedWidget, QToolBar, QVBoxLayout, QWidget

from solvers.core.bridge import FORMATS
from solvers.core.errors import MissingError, QcadError

from . import looks, messages, theme
from .commands import BY_ID, COMMANDS, MENUS, Command
from .guide import Guide, next_step
from .messages import MessageBar
from .panels.base import Panel
from .session import Session
from .stage import Stage
from .translate import mark, tr
from .welcome import WelcomePage

_LEFT, _RIGHT, _BOTTOM = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
#: panel -> (module:class, side); panels of one side share it as tabs, the first is in front
PANELS: dict[str, tuple[str, Any]] = {
    "project": ("project:ProjectPanel", _LEFT),
    "calculate": ("calculate:CalculatePanel", _RIGHT),
    "atoms": ("atoms:AtomsPanel", _RIGHT),
    "edit": ("edit:EditPanel", _RIGHT),
    "display": ("display:DisplayPanel", _RIGHT),
    "jobs": ("jobs:JobsPanel", _BOTTOM),
    "results": ("results:ResultsPanel", _BOTTOM),
    "plots": ("plots:PlotsPanel", _BOTTOM),
    "timeline": ("timeline:TimelinePanel", _BOTTOM),
    "python": ("python:PythonPanel", _BOTTOM),
}
#: dialog -> module:class
DIALOGS: dict[str, str] = {
    "builder": "builder:BuilderDialog",
    "edit_atoms": "builder:EditAtomsDialog",
    "potentials": "potentials:PotentialsDialog",
    "kmesh": "kmesh:KMeshDialog",
    "moments": "moments:MomentsDialog",
    "difference": "difference:DifferenceDialog",
    "export_film": "film:FilmDialog",
    "hubbard": "hubbard:HubbardDialog",
    "convergence": "convergence:ConvergenceDialog",
    "training": "training:TrainingDialog",
    "palette": "palette:Palette",
    "settings": "settings:SettingsDialog",
    "deck": "deck:DeckDialog",
    "examples": "examples:ExamplesDialog",
    "export_structure": "export:ExportStructureDialog",
    "export_picture": "export:ExportPictureDialog",
    "keep": "keep:KeepDialog",
    "shortcuts": "shortcuts:ShortcutsDialog",
    "plugins": "plugins:PluginsDialog",
    "about": "about:AboutDialog",
}
#: least size of a panel in a window of its own
_FLOATING = (900, 600)
#: dialogs whose preview is in the scene
_BESIDE = ("builder", "edit_atoms")
#: tasks whose results are curves first of all
_CURVES = ("bands", "dos", "phonons", "stm", "workfunction")
#: what stands beside the icon in the toolbar
_SHORT = {
    "file.open": mark("Open"),
    "build.bulk": mark("Crystal"),
    "build.supercell": mark("Supercell"),
    "view.mode_view": mark("View"),
    "view.mode_select": mark("Select"),
    "view.mode_edit": mark("Edit"),
    "view.mode_measure": mark("Measure"),
    "calculate.scf": mark("Energy"),
    "calculate.elastic": mark("Elastic"),
    "results.deck": mark("Deck"),
}
#: the order in which they lose that text in a narrow window
_LOSES_TEXT = (
    "view.mode_view",
    "view.mode_select",
    "view.mode_measure",
    "view.mode_edit",
    "build.supercell",
    "file.open",
    "build.bulk",
    "calculate.scf",
    "calculate.elastic",
    "results.deck",
)


class MainWindow(QMainWindow):
    """Scene, docks, menus, toolbar, status bar. `make_view` builds the scene; tests give a fake one."""

    def __init__(self, session: Session, make_view: Any):
        super().__init__()
        self.session = session
        self.setObjectName("main")
        self.setAcceptDrops(True)
        self.setDockOptions(QMainWindow.DockOption.AllowTabbedDocks | QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AnimatedDocks)
        self.setCorner(Qt.Corner.BottomRightCorner, _RIGHT)
        self.setCorner(Qt.Corner.BottomLeftCorner, _LEFT)
        self.actions_by_id: dict[str, QAction] = {}
        self.dialogs: dict[str, QWidget] = {}
        self._build_middle(make_view)
        self._build_docks()
        self._build_actions()
        self._build_menus()
        self._build_toolbar()
        self._build_status()
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(30)
        self._refresh.timeout.connect(self.refresh)
        for signal in (
            session.nodes_changed,
            session.current_changed,
            session.selection_changed,
            session.mode_changed,
            session.display_changed,
            session.player_changed,
            session.shown_changed,
            session.project_changed,
            session.undo_stack.indexChanged,
            session.undo_stack.canUndoChanged,
            session.undo_stack.canRedoChanged,
            session.jobs.changed,
            session.jobs.listed,
            session.jobs.result_arrived,
        ):
            signal.connect(self._later)
        session.current_changed.connect(self._became_current)
        session.show_requested.connect(self.show_result)
        session.dialog_requested.connect(self.open_dialog)
        self._restore()
        self.refresh()

    # ---- building ----------------------------------------------------------------------------------------------------------------
    def _build_middle(self, make_view: Any) -> None:
        self.bar = MessageBar(messages.central(), self)
        self.owner = QWidget(self)
        self.owner.setObjectName("ownerBar")
        self.owner.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.owner_text = looks.label("", parent=self.owner, wrap=True)
        QVBoxLayout(self.owner).addWidget(self.owner_text)
        self.guide = Guide(self.session, self)
        self.guide.chosen.connect(self.run_command)
        self.view = make_view(self)
        self.view.files_dropped.connect(self._dropped)
        self.view.context_requested.connect(self._context_menu)
        self.stage = Stage(self.session, self.view, self)
        self.welcome = WelcomePage(self.session, self)
        self.welcome.chosen.connect(self.run_command)
        self.welcome.path_chosen.connect(self.open_path)
        scene = QWidget(self)
        inside = QVBoxLayout(scene)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(0)
        inside.addWidget(self.guide)
        inside.addWidget(self.view, 1)
        self.scene_page = scene
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(scene)
        middle = QWidget(self)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.owner)
        column.addWidget(self.bar)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(middle)

    def _build_docks(self) -> None:
        self.panels: dict[str, Panel] = {}
        self.docks: dict[str, QDockWidget] = {}
        last: dict[Any, QDockWidget] = {}
        for name, (path, side) in PANELS.items():
            module, _, cls = path.partition(":")
            panel = getattr(importlib.import_module(f"qcad_gui.panels.{module}"), cls)(self.session, self)
            dock = QDockWidget(tr(panel.title), self)
            dock.setObjectName(f"dock_{name}")
            if side == _RIGHT and name != "calculate" and name != "atoms":
                area = QScrollArea(dock)
                area.setWidgetResizable(True)
                area.setFrameShape(QScrollArea.Shape.NoFrame)
                area.setWidget(panel)
                dock.setWidget(area)
            else:
                dock.setWidget(panel)
            if side is not _LEFT:  # the tabs name them already
                dock.setTitleBarWidget(QWidget(dock))
                dock.topLevelChanged.connect(lambda floats, dock=dock: dock.setTitleBarWidget(None if floats else QWidget(dock)))
            self.addDockWidget(side, dock)
            if side in last:
                self.tabifyDockWidget(last[side], dock)
            last[side] = dock
            self.panels[name], self.docks[name] = panel, dock
        self.setTabPosition(_RIGHT, self.tabPosition(_LEFT).North)
        self.setTabPosition(_BOTTOM, self.tabPosition(_LEFT).North)
        for name in ("calculate", "jobs"):
            self.docks[name].raise_()

    def _build_actions(self) -> None:
        for command in COMMANDS:
            action = QAction(command.title, self)
            action.setObjectName(command.id)
            action.setToolTip(command.tooltip)
            action.setStatusTip(tr(command.tip) if command.tip else command.title)
            action.setCheckable(command.checked is not None)
            if command.shortcut:
                action.setShortcuts([QKeySequence(text) for text in command.shortcut.split(";")])
            action.triggered.connect(partial(self.run_command, command.id))
            if command.scope == "scene":
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                self.scene_page.addAction(action)
                self.panels["timeline"].addAction(action)
            else:
                self.addAction(action)
            self.actions_by_id[command.id] = action
        self._icons()

    def _icons(self) -> None:
        for command in COMMANDS:
            if command.icon:
                self.actions_by_id[command.id].setIcon(theme.icon(command.icon, looks.current()))

    def _build_menus(self) -> None:
        self.menus: dict[str, QMenu] = {}
        for name, text in MENUS:
            menu = self.menuBar().addMenu(tr(text))
            menu.setToolTipsVisible(True)
            self.menus[name] = menu
            for command in COMMANDS:
                if command.menu == name:
                    if command.separate:
                        menu.addSeparator()
                    menu.addAction(self.actions_by_id[command.id])
                    if command.id == "file.open_project":
                        self.recent = menu.addMenu(tr("Open recent"))
                        self.recent.aboutToShow.connect(self._fill_recent)
            if name == "view":
                menu.addSeparator()
                shown = menu.addMenu(tr("Panels"))
                for dock in self.docks.values():
                    shown.addAction(dock.toggleViewAction())

    def _fill_recent(self) -> None:
        self.recent.clear()
        for path in self.session.settings.recent():
            self.recent.addAction(path, partial(self.open_path, path))
        if self.recent.isEmpty():
            self.recent.addAction(tr("Nothing yet")).setEnabled(False)

    def _build_toolbar(self) -> None:
        self.toolbar = QToolBar(tr("Tools"), self)
        self.toolbar.setObjectName("toolbar")
        self.toolbar.setMovable(False)
        self.toolbar.setIconSize(QSize(theme.ICON_SIZE, theme.ICON_SIZE))
        self.toolbar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        menu = ""
        for command in COMMANDS:
            if not command.toolbar:
                continue
            if menu and (command.menu != menu or command.id == "view.reset"):
                self.toolbar.addSeparator()
            menu = command.menu
            self.toolbar.addAction(self.actions_by_id[command.id])
            button = self.toolbar.widgetForAction(self.actions_by_id[command.id])
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if command.id in _SHORT:
                self.actions_by_id[command.id].setIconText(tr(_SHORT[command.id]))
            else:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.addToolBar(self.toolbar)

    def _fit_toolbar(self) -> None:
        """Take texts off the buttons, the least telling first, until none of them falls off the end of a narrow window."""
        buttons = {name: self.toolbar.widgetForAction(self.actions_by_id[name]) for name in _SHORT}
        for button in buttons.values():
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        for name in _LOSES_TEXT:
            self.toolbar.layout().invalidate()  # else the width of before answers until the next turn of the event loop, and all texts go
            if self.toolbar.layout().sizeHint().width() <= self.width():
                return
            buttons[name].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """The toolbar fits the new width."""
        super().resizeEvent(event)
        self._fit_toolbar()

    def _build_status(self) -> None:
        self.hint = QLabel(self)
        self.busy = QLabel(self)
        self.busy.setProperty("role", "muted")
        self.statusBar().addWidget(self.hint, 1)
        self.statusBar().addPermanentWidget(self.busy)
        self.session.dispatcher.busy_changed.connect(lambda _: self._later())

    # ---- state -------------------------------------------------------------------------------------------------------------------
    def _later(self, *_: object) -> None:
        if not self._refresh.isActive():
            self._refresh.start()

    def refresh(self) -> None:
        """Enable, check and name everything as the session stands."""
        session = self.session
        for command in COMMANDS:
            action = self.actions_by_id[command.id]
            action.setEnabled(bool(command.enabled(session)))
            if command.checked is not None:
                action.setChecked(bool(command.checked(session)))
        undo, redo = session.undo_stack.undoText(), session.undo_stack.redoText()
        self.actions_by_id["edit.undo"].setText(tr("Undo {what}", what=undo) if undo else tr("Undo"))
        self.actions_by_id["edit.redo"].setText(tr("Redo {what}", what=redo) if redo else tr("Redo"))
        self.setWindowTitle(tr("{name} — Q-CAD", name=session.keeper.name) + (" " + tr("(read-only)") if session.read_only else ""))
        self.owner.setVisible(bool(session.read_only))
        self.owner_text.setText(
            tr(
                "Read-only: this project is open in another window ({owner}). Close it there, or keep a copy under another name with Ctrl+S.",
                owner=session.read_only,
            )
        )
        self.hint.setText(next_step(session))
        running = len(session.jobs.running)
        words = [tr("{n} calculations running", n=running) if running > 1 else tr("1 calculation running")] if running else []
        if session.dispatcher.working:
            words.insert(0, tr("working…"))
        self.busy.setText(" · ".join(words))
        self.guide.refresh()
        on_welcome = self.pages.currentWidget() is self.welcome
        if on_welcome and (session.preview is not None or (session.nodes and not self.welcome.asked)):  # a preview must be seen
            self.pages.setCurrentWidget(self.scene_page)
        elif not on_welcome and self.welcome.asked and not session.nodes and not session.dispatcher.working and not self._building():
            self.pages.setCurrentWidget(self.welcome)  # the first crystal was not built after all

    def _building(self) -> bool:
        """True while a dialog with a preview is open."""
        return any(name in self.dialogs and self.dialogs[name].isVisible() for name in _BESIDE)

    def _became_current(self, node_id: str) -> None:
        node = self.session.node(node_id)
        if node is None:
            return
        self.welcome.asked = False
        self.pages.setCurrentWidget(self.scene_page)
        if node.kind == "material":
            self.show_panel("results")
        elif node.kind == "run" and isinstance(node.payload, dict) and node.payload.get("task") in _CURVES:
            self.show_panel("plots")

    def _restore(self) -> None:
        geometry, state = self.session.settings.window()
        if geometry is not None:
            self.restoreGeometry(geometry)
        else:
            self.resize(1440, 900)
        self._first_layout = state is None or not self.restoreState(state)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """The first layout can only be given to a window that has its size."""
        super().showEvent(event)
        if self._first_layout:
            self._first_layout = False
            QTimer.singleShot(0, self, self._lay_out)

    def _lay_out(self) -> None:
        self.resizeDocks([self.docks["project"], self.docks["calculate"]], [200, 385], Qt.Orientation.Horizontal)
        self.resizeDocks([self.docks["jobs"]], [250], Qt.Orientation.Vertical)

    # ---- commands ------------------------------------------------------------------------------------------------------------------
    def run_command(self, identifier: str, *_: object) -> None:
        """Run a command of the table if it is possible now."""
        command: Command = BY_ID[identifier]
        if not command.enabled(self.session):
            messages.post("info", tr("“{what}” is not possible now.", what=command.title.rstrip("…")), next_step(self.session))
            return
        try:
            command.call(self)
        except QcadError as error:
            messages.post_error(error)
        if command.python:
            self.session.echo(command.python)
        self.refresh()

    def open_dialog(self, name: str, /, **values: Any) -> QWidget:
        """Open a dialog of `DIALOGS`, never modal; one of a kind at a time."""
        if name in self.dialogs:
            self.dialogs[name].close()
        module, _, cls = DIALOGS[name].partition(":")
        dialog = getattr(importlib.import_module(f"qcad_gui.dialogs.{module}"), cls)(self.session, self, **values)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.destroyed.connect(lambda: self.dialogs.pop(name, None) if self.dialogs.get(name) is dialog else None)
        self.dialogs[name] = dialog
        dialog.show()
        if name in _BESIDE:
            self._place_beside(dialog)
        return dialog

    def open_editor(self, name: str) -> None:
        """A dialog that fills fields of the plane-wave form; the form is opened where none is."""
        if not self.session.draft.ready:
            self.prepare("scf")
        else:
            self.show_panel("calculate")
        self.open_dialog(name)

    def _place_beside(self, dialog: QWidget) -> None:
        """Dialogs with a preview stand over the tools on the right, so that the scene stays in view."""
        corner = self.mapToGlobal(self.rect().topRight())
        dialog.move(corner.x() - dialog.frameGeometry().width() - theme.MEDIUM, corner.y() + self.toolbar.geometry().bottom() + theme.LARGE)

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front."""
        self.docks[name].show()
        self.docks[name].raise_()
        self.panels[name].now()

    def float_panel(self, name: str) -> None:
        """Give a panel a window of its own, or bring it back."""
        dock = self.docks[name]
        floats = not dock.isFloating()
        dock.setFloating(floats)
        if floats:
            dock.resize(max(dock.width(), _FLOATING[0]), max(dock.height(), _FLOATING[1]))
            place = self.geometry().center() - dock.rect().center()
            dock.move(max(place.x(), 0), max(place.y(), 0))
        self.show_panel(name)

    def prepare(self, task: str) -> None:
        """Open the form of a task."""
        self.pages.setCurrentWidget(self.scene_page)
        self.show_panel("calculate")
        self.panels["calculate"].prepare(task)

    def play(self, what: str) -> None:
        """A button of the timeline."""
        self.show_panel("timeline")
        self.panels["timeline"].play(what)

    def show_result(self, what: str) -> None:
        """ "structure", "forces", "field", "surface", "deck" or "csv" of the current result."""
        session = self.session
        if what == "csv":
            self.panels["results"].export_csv()
        elif what == "deck":
            self.open_dialog("deck")
        elif what == "model":
            self.panels["results"].save_model()
        elif what == "plots":
            self.float_panel("plots")
        elif what == "structure":
            session.attempt(session.outcome.use_structure)
        else:
            session.attempt(session.outcome.show, what)

    def copy_python(self) -> None:
        """The session's script to the clipboard."""
        QGuiApplication.clipboard().setText(self.session.python_script())
        self.statusBar().showMessage(tr("Copied as Python."), 4000)

    def copy_picture(self) -> None:
        """The scene to the clipboard."""
        self.open_dialog("export_picture")

    def rename_current(self) -> None:
        """Begin to rename the current node in the tree."""
        self.show_panel("project")
        self.panels["project"].edit_current()

    def escape(self) -> None:
        """Nothing selected, nothing measured, nothing half drawn."""
        self.view.set_mode(self.session.mode)
        self.view.clear_measurement()
        self.session.measured.emit("")
        self.session.select(())

    def set_full_screen(self) -> None:
        """Full screen on or off."""
        self.showNormal() if self.isFullScreen() else self.showFullScreen()

    def show_welcome(self) -> None:
        """The welcome page."""
        self.welcome.asked = True
        self.welcome.refresh()
        self.pages.setCurrentWidget(self.welcome)

    def set_theme(self, name: str) -> None:
        """ "system", "light" or "dark", remembered."""
        self.session.settings.set("theme", name)
        looks.use(QApplication.instance(), theme.choose(name))
        self._icons()
        self.stage.theme_changed()
        for panel in self.panels.values():
            panel.theme_changed()
        self.welcome.theme_changed()
        self.guide.theme_changed()
        self.refresh()

    # ---- files -----------------------------------------------------------------------------------------------------------------------
    def ask_open(self) -> None:
        """Ask for a file of any kind the program reads."""
        endings = [f"*{ending}" for suffixes, _ in FORMATS.values() for ending in suffixes] + ["*POSCAR*", "*CONTCAR*"]
        filters = [tr("All readable files") + f" ({' '.join(endings)} *.qcadz)"] + [
            f"{tr(text)} ({' '.join('*' + ending for ending in suffixes)})" for suffixes, text in FORMATS.values()
        ]
        paths, _ = QFileDialog.getOpenFileNames(self, tr("Open"), self.session.keeper.last_folder, ";;".join([*filters, tr("All files") + " (*)"]))
        for path in paths:
            self.open_path(path)

    def open_path(self, path: str) -> None:
        """Open a structure, trajectory, field, project folder or packed project."""
        self.session.attempt(self.session.keeper.open_path, Path(path))

    def open_project(self) -> None:
        """Ask for a project folder."""
        path = QFileDialog.getExistingDirectory(self, tr("Open project folder"), self.session.keeper.last_folder)
        if path:
            self.open_path(path)

    def open_example(self) -> None:
        """A silicon crystal."""
        self.session.build("bulk", {"symbol": "Si", "structure": "diamond", "a": 5.431}, text=tr("Silicon example"), new=True)

    def new_project(self) -> None:
        """An empty project; the old one is kept as it is."""
        self.session.attempt(self.session.keeper.new)
        self.show_welcome()

    def keep_as(self) -> None:
        """Say where the project is kept and offer a name."""
        self.open_dialog("keep")

    def _dropped(self, paths: list[str]) -> None:
        for path in paths:
            self.open_path(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Local files are welcome everywhere."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Open what was dropped."""
        event.acceptProposedAction()
        self._dropped([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])

    def _context_menu(self, atom: int, place) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if atom >= 0 and atom not in self.session.selection:
            self.session.select([atom])
        names = ("edit.element", "edit.move", "edit.delete", "edit.fix") if self.session.selection and self.session.mode == "edit" else ()
        for name in (*names, "edit.select_all", "edit.select_none", "view.reset", "file.export_picture"):
            menu.addAction(self.actions_by_id[name])
        menu.popup(place)

    # ---- the end -------------------------------------------------------------------------------------------------------------------
    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """Remember the layout, let running jobs run, write what is to be written, free the scene."""
        self.session.settings.save_window(self.saveGeometry(), self.saveState())
        for dialog in list(self.dialogs.values()):
            dialog.close()
        self._refresh.stop()
        self.session.close()
        if hasattr(self.view, "shut_down"):
            self.view.shut_down()
        super().closeEvent(event)


def missing_icons() -> list[str]:
    """Icons that commands name and the set lacks (a test wants none)."""
    missing = []
    for command in COMMANDS:
        if command.icon:
            try:
                theme.icon(command.icon, theme.LIGHT)
            except MissingError:
                missing.append(command.icon)
    return missing
