"""Work ahead in one thread, so that the next batch is ready when the network is."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def prefetch(source: Iterator[T], depth: int = 2) -> Generator[T]:
    """The items of ``source``, up to ``depth`` of them made ahead by a thread.

    The thread ends with the generator, however that ends: exhausted, closed, dropped, or left
    open when the interpreter exits. An error in ``source`` is raised here, after what came before.
    """
    items: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(source, items, stop), name="prefetch", daemon=True
    )

    def halt() -> None:
        stop.set()
        with suppress(queue.Empty):
            while True:
                items.get_nowait()
        thread.join()

    thread.start()
    # A daemon inside native code while the interpreter dies would take the process down with it.
    atexit.register(halt)
    try:
        while not isinstance(item := items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        halt()
        atexit.unregister(halt)


def _produce(source: Iterator[T], items: queue.Queue[T | _End], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in source:
            if not _put(items, item, stop):
                return
    except BaseException as raised:  # it belongs to the thread that asks
        error = raised
    _put(items, _End(error), stop)


def _put(items: queue.Queue[T | _End], item: T | _End, stop: threading.Event) -> bool:
    """False if nobody wants the item any more. Waits in slices, to see ``stop`` while it waits."""
    while not stop.is_set():
        with suppress(queue.Full):
            items.put(item, timeout=0.05)
            return True
    return False
