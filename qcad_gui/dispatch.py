"""The only place of the window with threads.

* the pool: pure functions (builders, estimates, previews, readers waiting for their child process),
* the store thread: one thread that owns the project's SQLite connection and every fsync,
* the watch thread: asks the job manager for news a few times a second.

Results come back as queued signals: callbacks always run in the GUI thread. No Qt widget and no VTK object is touched anywhere else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from shiboken6 import isValid

from .messages import post_error

Callback = Callable[[Any], None]


class Dispatcher(QObject):
    """Runs functions off the GUI thread and delivers what they return to the GUI thread."""

    _arrived = Signal(object, object)
    busy_changed = Signal(int)

    def __init__(self, parent: QObject | None = None, *, workers: int = 2):
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="qcad-pool")
        self._store = ThreadPoolExecutor(1, thread_name_prefix="qcad-store")
        self._latest: dict[str, int] = {}
        self._pending = 0
        self._counting = threading.Lock()  # watch threads count up while the GUI thread counts down
        self.working = 0  # calls asked for with `run` or `store` that are not back yet
        self._closed = False
        self._watchers: list[tuple[threading.Event, threading.Thread]] = []
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    # ---- one-off work ------------------------------------------------------------------------------------------------------
    def run(self, function: Callable[..., Any], *args: Any, done: Callback | None = None, failed: Callback | None = None, key: str = "") -> Future | None:
        """Run `function(*args)` in the pool. With `key`, only the newest call of that key is delivered (previews, estimates)."""
        return self._submit(self._pool, function, args, done, failed, key)

    def store(self, function: Callable[..., Any], *args: Any, done: Callback | None = None, failed: Callback | None = None) -> Future | None:
        """Run `function(*args)` in the store thread, in the order of the calls."""
        return self._submit(self._store, function, args, done, failed, "")

    @property
    def pending(self) -> int:
        """Calls whose result has not been delivered yet."""
        return self._pending

    def _submit(self, pool: ThreadPoolExecutor, function, args, done, failed, key) -> Future | None:
        if self._closed:
            return None
        ticket = 0
        if key:
            ticket = self._latest[key] = self._latest.get(key, 0) + 1

        def work():
            if key and self._latest.get(key) != ticket:
                self._arrived.emit(lambda _: self._back(), None)
                return None
            try:
                value = function(*args)
            except Exception as error:  # every failure is delivered: to `failed`, or to the message bar
                self._arrived.emit(lambda item: self._failed(item, failed, key, ticket), error)
                raise
            self._arrived.emit(lambda item: self._done(item, done, key, ticket), value)
            return value

        self._count(1)
        self.working += 1
        self.busy_changed.emit(self.working)
        return pool.submit(work)

    def _back(self):
        self.working -= 1
        if not self._closed:
            self.busy_changed.emit(self.working)

    def _done(self, value, done, key, ticket):
        self._back()
        if done is not None and (not key or self._latest.get(key) == ticket) and _alive(done):
            done(value)

    def _failed(self, error, failed, key, ticket):
        self._back()
        if (key and self._latest.get(key) != ticket) or (failed is not None and not _alive(failed)):
            return
        (failed or post_error)(error)

    def _count(self, change: int) -> None:
        with self._counting:
            self._pending += change

    def _deliver(self, callback, value):
        self._count(-1)
        if not self._closed:
            callback(value)

    # ---- watching ----------------------------------------------------------------------------------------------------------
    def watch(self, poll: Callable[[], Any], receive: Callback, *, interval: float = 0.1, failed: Callback | None = None) -> Callable[[], None]:
        """Call `poll()` every `interval` seconds in its own thread and deliver what is not None or empty; returns the function that ends it."""
        stop = threading.Event()

        def loop():
            last = ""
            while not stop.wait(interval):
                try:
                    news = poll()
                except Exception as error:  # a failing poll is told once, not ten times a second
                    if repr(error) != last:
                        last = repr(error)
                        self._count(1)
                        self._arrived.emit(failed or post_error, error)
                    time.sleep(1.0)
                    continue
                if news and not stop.is_set():
                    self._count(1)
                    self._arrived.emit(receive, news)

        thread = threading.Thread(target=loop, name="qcad-watch", daemon=True)
        self._watchers.append((stop, thread))
        thread.start()

        def end():
            stop.set()
            thread.join(5.0)

        return end

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until the store thread has done everything asked so far (used before the window closes)."""
        if not self._closed:
            self._store.submit(lambda: None).result(timeout)

    def close(self) -> None:
        """End all threads; nothing is delivered afterwards. What the store thread was asked to write is written first."""
        if self._closed:
            return
        self._closed = True
        for stop, _ in self._watchers:
            stop.set()
        self._store.shutdown(wait=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for _, thread in self._watchers:
            thread.join(5.0)
        self._watchers.clear()


def _alive(callback: Callback) -> bool:
    """False for a method of a widget that was closed and deleted while the answer was on its way."""
    owner = getattr(callback, "__self__", None)
    return not isinstance(owner, QObject) or isValid(owner)
