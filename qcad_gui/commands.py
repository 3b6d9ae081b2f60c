"""Every action of the window as data: menus, toolbar, palette (Ctrl+K), tests and "copy as Python" are made from this one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .command import MENUS, Command, dialog, shows, toggle
from .commands_work import WORK
from .conditions import Test, Window, always, can_edit, can_edit_selection, has_frames, has_node, has_shown, has_structure, writable
from .translate import mark, tr

__all__ = ["BY_ID", "COMMANDS", "MENUS", "Command", "find"]


def _mode(name: str) -> Callable[[Window], Any]:
    return lambda window: window.session.set_mode(name)


def _in_mode(name: str) -> Test:
    return lambda session: session.mode == name


def _delete_atoms(window: Window) -> None:
    session = window.session
    atoms = sorted(session.selection)
    session.attempt(session.edit, "delete", {"indices": ",".join(map(str, atoms))}, tr("Delete {n} atoms", n=len(atoms)))


def _invert(window: Window) -> None:
    chosen = set(window.session.selection)
    window.session.select([item for item in range(len(window.session.shown or ())) if item not in chosen])


def _copy_frame(window: Window) -> None:
    session = window.session
    if session.shown is not None:
        session.attempt(session.add, "structure", session.shown.formula or tr("Structure"), session.shown, parent=session.current)


def _builder(
    name: str, text: str, *, icon: str = "", tip: str = "", shortcut: str = "", toolbar: bool = False, separate: bool = False, start: bool = True
) -> Command:
    return Command(
        f"build.{name}",
        text,
        "build",
        dialog("builder", name=name),
        shortcut,
        tip,
        icon,
        has_structure if start else writable,
        toolbar=toolbar,
        separate=separate,
    )

COMMANDS: tuple[Command, ...] = (
    Command(
        "file.new",
        mark("New project"),
        "file",
        lambda window: window.new_project(),
        "Ctrl+N",
        mark("Begin an empty project; everything in the old one is already kept"),
        "new",
    ),
    Command(
        "file.open",
        mark("Open…"),
        "file",
        lambda window: window.ask_open(),
        "Ctrl+O",
        mark("Open a structure, a trajectory, a density or a project"),
        "open",
        toolbar=True,
    ),
    Command(
        "file.open_project", mark("Open project folder…"), "file", lambda window: window.open_project(), "Ctrl+Shift+O", mark("Open a .qcad project folder")
    ),
    Command("file.example", mark("Open the silicon example"), "file", lambda window: window.open_example(), "", mark("A silicon crystal, ready to calculate")),
    Command("file.examples", mark("Examples…"), "file", dialog("examples"), "", mark("Crystals, a surface and a trajectory to begin with"), "crystal"),
    Command(
        "file.keep",
        mark("Keep project as…"),
        "file",
        lambda window: window.keep_as(),
        "Ctrl+S",
        mark("Say where the project is kept, and give it a name"),
        "save",
        separate=True,
    ),
    Command(
        "file.export_structure",
        mark("Export structure…"),
        "file",
        dialog("export_structure"),
        "Ctrl+E",
        mark("Write the structure in the scene to a file"),
        "export",
        has_shown,
        separate=True,
    ),
    Command(
        "file.export_picture",
        mark("Export picture…"),
        "file",
        dialog("export_picture"),
        "Ctrl+Shift+E",
        mark("Write the scene to a PNG file"),
        "camera",
        has_shown,
    ),
    Command(
        "file.export_film",
        mark("Export film…"),
        "file",
        dialog("export_film"),
        "",
        mark("Write a film: the frames, a turn of the camera, or the slice plane moving through the cell"),
        "film",
        has_shown,
    ),
    Command("file.settings", mark("Settings…"), "file", dialog("settings"), "Ctrl+,", mark("Language, theme, mouse, threads"), "settings", separate=True),
    Command("file.quit", mark("Quit"), "file", lambda window: window.close(), "Ctrl+Q", mark("Close the window; running jobs go on"), separate=True),
    Command(
        "edit.undo",
        mark("Undo"),
        "edit",
        lambda window: window.session.undo_stack.undo(),
        "Ctrl+Z",
        "",
        "undo",
        lambda session: session.undo_stack.canUndo() and not session.read_only,
        toolbar=True,
    ),
    Command(
        "edit.redo",
        mark("Redo"),
        "edit",
        lambda window: window.session.undo_stack.redo(),
        "Ctrl+Y;Ctrl+Shift+Z",
        "",
        "redo",
        lambda session: session.undo_stack.canRedo() and not session.read_only,
        toolbar=True,
    ),
    Command(
        "edit.select_all",
        mark("Select all atoms"),
        "edit",
        lambda window: window.session.select(range(len(window.session.shown or ()))),
        "Ctrl+A",
        "",
        "",
        has_shown,
        separate=True,
    ),
    Command("edit.select_none", mark("Select nothing"), "edit", lambda window: window.escape(), "Esc", "", "", always, scope="scene"),
    Command("edit.invert", mark("Invert selection"), "edit", _invert, "Ctrl+I", "", "", has_shown),
    Command("edit.delete", mark("Delete selected atoms"), "edit", _delete_atoms, "Del", "", "delete", can_edit_selection, scope="scene", separate=True),
    Command(
        "edit.element",
        mark("Change element…"),
        "edit",
        dialog("edit_atoms", name="set_element"),
        "Ctrl+Shift+X",
        mark("Give the selected atoms another element"),
        "element",
        can_edit_selection,
    ),
    Command(
        "edit.add", mark("Add atom…"), "edit", dialog("edit_atoms", name="add"), "Ctrl+Shift+A", mark("Add one atom at given coordinates"), "add", can_edit
    ),
    Command(
        "edit.move",
        mark("Move atoms…"),
        "edit",
        dialog("edit_atoms", name="move"),
        "Ctrl+M",
        mark("Move the selected atoms by a vector"),
        "move",
        can_edit_selection,
    ),
    Command(
        "edit.fix",
        mark("Hold atoms in place…"),
        "edit",
        dialog("edit_atoms", name="fix"),
        "",
        mark("Keep the selected atoms fixed in relaxations and dynamics"),
        "",
        can_edit_selection,
    ),
    Command(
        "edit.rename",
        mark("Rename…"),
        "edit",
        lambda window: window.rename_current(),
        "F2",
        mark("Give the current item another name"),
        "",
        lambda session: has_node(session) and writable(session),
        separate=True,
    ),
    Command(
        "edit.remove",
        mark("Remove from project"),
        "edit",
        lambda window: window.session.attempt(window.session.remove, window.session.current),
        "",
        mark("Take the current item out of the project; undo brings it back"),
        "",
        lambda session: has_node(session) and writable(session),
    ),
    Command(
        "edit.copy_frame",
        mark("Copy what is shown into a new structure"),
        "edit",
        _copy_frame,
        "Ctrl+D",
        mark("Make an editable structure of the shown frame or result"),
        "copy",
        lambda session: has_shown(session) and writable(session),
    ),
    Command(
        "edit.copy_python",
        mark("Copy as Python"),
        "edit",
        lambda window: window.copy_python(),
        "Ctrl+Shift+C",
        mark("Copy what was done so far as a Python script"),
        "python",
    ),
    _builder(
        "bulk",
        mark("Crystal from prototype…"),
        icon="bulk",
        tip=mark("Build fcc, bcc, hcp, diamond, rocksalt and other crystals"),
        shortcut="Ctrl+B",
        toolbar=True,
        start=False,
    ),
    _builder(
        "crystal",
        mark("Crystal from space group…"),
        tip=mark("Build a crystal from its space group and occupied Wyckoff sites"),
        shortcut="Ctrl+Shift+B",
        start=False,
    ),
    _builder("molecule", mark("Molecule in a box…"), tip=mark("Put a small molecule into a box"), start=False),
    _builder("supercell", mark("Supercell…"), icon="supercell", tip=mark("Repeat the cell"), toolbar=True, separate=True),
    _builder("strain", mark("Strain…"), icon="strain", tip=mark("Strain cell and atoms together")),
    _builder("set_cell", mark("Change cell…"), tip=mark("Give the cell new lengths and angles")),
    _builder("slab", mark("Surface slab…"), icon="slab", tip=mark("Cut a slab and add vacuum")),
    _builder("vacancy", mark("Vacancy…"), icon="vacancy", tip=mark("Remove atoms, chosen or at random"), separate=True),
    _builder("substitute", mark("Substitution…"), icon="substitute", tip=mark("Replace atoms by another element, chosen or at random")),
    _builder("rattle", mark("Displace at random…"), tip=mark("Displace every atom at random")),
    _builder("translate", mark("Shift…"), tip=mark("Shift all or some atoms")),
    _builder("standardise", mark("Conventional cell…"), tip=mark("The conventional standard cell of the space group"), separate=True),
    _builder("primitive", mark("Primitive cell…"), tip=mark("The primitive standard cell of the space group")),
    _builder("wrap", mark("Wrap atoms into the cell…"), tip=mark("Bring every atom into the cell")),
    Command(
        "view.mode_view",
        mark("View mode"),
        "view",
        _mode("view"),
        "Ctrl+1",
        mark("Look around; clicks change nothing"),
        "view",
        checked=_in_mode("view"),
        toolbar=True,
    ),
    Command(
        "view.mode_select",
        mark("Select mode"),
        "view",
        _mode("select"),
        "Ctrl+2",
        mark("Click selects, Ctrl+click adds, drag draws a box"),
        "select",
        checked=_in_mode("select"),
        toolbar=True,
    ),
    Command(
        "view.mode_edit",
        mark("Edit mode"),
        "view",
        _mode("edit"),
        "Ctrl+3",
        mark("Select, move, delete, change and add atoms"),
        "edit",
        checked=_in_mode("edit"),
        toolbar=True,
    ),
    Command(
        "view.mode_measure",
        mark("Measure mode"),
        "view",
        _mode("measure"),
        "Ctrl+4",
        mark("Click two atoms for a distance, three for an angle, four for a dihedral"),
        "measure",
        checked=_in_mode("measure"),
        toolbar=True,
    ),
    Command(
        "view.reset",
        mark("Show everything"),
        "view",
        lambda window: window.view.reset_camera(),
        "F",
        mark("Turn the camera to the whole structure"),
        "fit",
        has_shown,
        toolbar=True,
        scope="scene",
        separate=True,
    ),
    *(
        Command(f"view.along_{axis}", text, "view", lambda window, axis=axis: window.view.view_along(axis), key, "", "", has_shown, scope="scene")
        for axis, text, key in (
            ("x", mark("Look along x"), "X"),
            ("y", mark("Look along y"), "Y"),
            ("z", mark("Look along z"), "Z"),
            ("a", mark("Look along a"), "1"),
            ("b", mark("Look along b"), "2"),
            ("c", mark("Look along c"), "3"),
        )
    ),
    Command(
        "view.bonds",
        mark("Bonds"),
        "view",
        toggle("bonds"),
        "Shift+B",
        mark("Show or hide bonds"),
        "bonds",
        has_shown,
        shows("bonds"),
        scope="scene",
        separate=True,
    ),
    Command(
        "view.cell", mark("Unit cell"), "view", toggle("cell"), "Shift+C", mark("Show or hide the unit cell"), "cell", has_shown, shows("cell"), scope="scene"
    ),
    Command(
        "view.forces",
        mark("Forces"),
        "view",
        toggle("forces"),
        "Shift+F",
        mark("Show forces as arrows"),
        "forces",
        lambda session: session.forces is not None,
        shows("forces"),
        scope="scene",
    ),
    Command(
        "view.velocities",
        mark("Velocities"),
        "view",
        toggle("velocities"),
        "Shift+V",
        mark("Show velocities as arrows"),
        "",
        lambda session: has_shown(session) and "velocities" in session.shown.arrays,
        shows("velocities"),
        scope="scene",
    ),
    Command(
        "view.moments",
        mark("Magnetic moments"),
        "view",
        toggle("moments"),
        "Shift+M",
        mark("Show magnetic moments as arrows, up and down in two colours"),
        "",
        lambda session: session.moments is not None or session.start_moments is not None,
        shows("moments"),
        scope="scene",
    ),
    Command(
        "view.field",
        mark("Isosurface"),
        "view",
        toggle("field"),
        "I",
        mark("Show the density or another field as an isosurface"),
        "field",
        lambda session: session.field is not None,
        shows("field"),
        scope="scene",
    ),
    Command(
        "view.slice",
        mark("Slice plane"),
        "view",
        toggle("slice"),
        "Shift+I",
        mark("Cut through the field with a coloured plane; Shift and the wheel move it"),
        "slice",
        lambda session: session.field is not None,
        shows("slice"),
        scope="scene",
    ),
    Command(
        "view.perspective",
        mark("Perspective"),
        "view",
        toggle("perspective"),
        "P",
        mark("Perspective instead of parallel projection"),
        "",
        has_shown,
        shows("perspective"),
        scope="scene",
    ),
    Command(
        "view.dark",
        mark("Dark theme"),
        "view",
        lambda window: window.set_theme("light" if window.session.settings.get("theme") == "dark" else "dark"),
        "Ctrl+Shift+D",
        mark("Switch between light and dark"),
        "theme",
        checked=lambda session: session.settings.get("theme") == "dark",
        separate=True,
    ),
    Command("view.full", mark("Full screen"), "view", lambda window: window.set_full_screen(), "F11"),
    Command(
        "view.palette",
        mark("Find a command…"),
        "view",
        dialog("palette"),
        "Ctrl+K;Ctrl+Shift+P",
        mark("Type what you want to do"),
        "search",
        toolbar=True,
        separate=True,
    ),
    *WORK,
    Command("play.toggle", mark("Play or pause"), "play", lambda window: window.play("toggle"), "Space", "", "play", has_frames, scope="scene"),
    Command("play.previous", mark("Previous frame"), "play", lambda window: window.play("previous"), "Left", "", "previous", has_frames, scope="scene"),
    Command("play.next", mark("Next frame"), "play", lambda window: window.play("next"), "Right", "", "next", has_frames, scope="scene"),
    Command("play.first", mark("First frame"), "play", lambda window: window.play("first"), "Home", "", "first", has_frames, scope="scene"),
    Command("play.last", mark("Last frame"), "play", lambda window: window.play("last"), "End", "", "last", has_frames, scope="scene"),
    Command(
        "play.loop", mark("Loop"), "play", lambda window: window.play("loop"), "L", mark("Begin again after the last frame"), "loop", has_frames, scope="scene"
    ),
    Command("help.welcome", mark("Welcome page"), "help", lambda window: window.show_welcome(), "", mark("New, open, example, recover")),
    Command("help.shortcuts", mark("Keys and mouse"), "help", dialog("shortcuts"), "F1", mark("Everything the keyboard and the mouse can do")),
    Command("help.plugins", mark("Plug-ins…"), "help", dialog("plugins"), "", mark("Calculators and exporters, and what is wrong with broken ones")),
    Command("help.about", mark("About Q-CAD"), "help", dialog("about"), "", mark("Version, licences, this machine")),
)
BY_ID: dict[str, Command] = {command.id: command for command in COMMANDS}


def find(text: str, commands: tuple[Command, ...] = COMMANDS) -> list[Command]:
    """Commands that match what was typed, best first: whole words, beginnings of words, then letters in order."""
    words = text.lower().split()

    def score(command: Command) -> int | None:
        hay = f"{command.title} {command.text} {tr(command.tip) if command.tip else ''} {command.id}".lower()
        total = 0
        for word in words:
            if command.title.lower().startswith(word):
                total += 0
            elif f" {word}" in f" {hay}":
                total += 1
            elif word in hay:
                total += 2
            elif _in_order(word, command.title.lower()):
                total += 5
            else:
                return None
        return total

    scored = [(value, place, command) for place, command in enumerate(commands) if (value := score(command)) is not None]
    return [command for _, _, command in sorted(scored, key=lambda row: row[:2])]


def _in_order(letters: str, text: str) -> bool:
    place = -1
    for letter in letters:
        place = text.find(letter, place + 1)
        if place < 0:
            return False
    return True
