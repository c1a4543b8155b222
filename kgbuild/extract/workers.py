"""Batches of items through an extractor: in this process, or in several that each load it once."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from kgbuild.extract import ExtractionFailure, ExtractionResult, Extractor, Metered
from kgbuild.types import Item
from plugbase.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future

_GIVEN_BACK_AFTER = 1_024
"""Items between two returns of freed memory."""

LoadExtractor = Callable[[], Extractor]
"""Makes the extractor; for several processes it has to be picklable."""


def extract_here(extractor: Extractor, batches: Iterable[Sequence[Item]]) -> Iterator[ExtractionResult]:
    """Results as they come, from this process.

    Raises:
        BudgetReachedError: a limit of a metered extractor was reached.
    """
    if isinstance(extractor, Metered):
        yield from extractor.extract(chain.from_iterable(batches))
        return
    for batch in batches:
        yield from _extract_batch(extractor, batch)
        _freed.give_back(len(batch))


def extract_in_processes(
    load: LoadExtractor, batches: Iterable[Sequence[Item]], workers: int
) -> Iterator[ExtractionResult]:
    """Results as batches are finished, from `workers` fresh processes; two batches a worker are under way.

    Raises:
        UserError: a worker process died, or could not load the extractor.
    """
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Spawned, not forked: a fork of a process that runs threads may never wake up.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker, initargs=(load,))
    waiting: set[Future[list[ExtractionResult]]] = set()
    try:
        for batch in batches:
            waiting.add(pool.submit(_work, batch))
            while len(waiting) >= 2 * workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died, perhaps for want of memory",
            mend="run the same command with fewer --workers: it carries on where it stopped",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _extract_batch(extractor: Extractor, batch: Sequence[Item]) -> Iterator[ExtractionResult]:
    """One result an item: an item that makes the extractor raise becomes a failure and the others go on."""
    missing = {item.id: item for item in batch}
    try:
        for item, result in extractor.extract(batch):
            if missing.pop(item.id, None) is not None:
                yield item, result
        reason = "the extractor gave no result"
    except UserError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    if len(batch) == 1:
        yield from ((item, ExtractionFailure(reason)) for item in missing.values())
        return
    for item in missing.values():
        yield from _extract_batch(extractor, [item])


class _Freed:
    """Gives freed memory back to the system now and then.

    Matrices of ever other sizes leave holes between what stays, and glibc's heap grows by holes: without this, by
    some 50 MiB a thousand items. Other C libraries are left to themselves.
    """

    def __init__(self) -> None:
        self._items = 0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None

    def give_back(self, items: int) -> None:
        """So many items more were read."""
        self._items += items
        if self._trim is not None and self._items >= _GIVEN_BACK_AFTER:
            self._items = 0
            self._trim(0)


_freed = _Freed()
_loaded: Extractor | Exception | None = None


def _start_worker(load: LoadExtractor) -> None:
    global _loaded
    # The processes are the parallelism; threads within them would only contend. Read when torch is imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # oneDNN keeps code for each shape it meets, up to 1,024 of some 50 KiB; here hardly a shape comes twice.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    # Ctrl-C reaches the whole group; the parent decides, workers end when they are told to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _loaded = load()
    except Exception as error:  # kept for the first batch: an initializer that raises only breaks the pool
        _loaded = error if isinstance(error, UserError) else RuntimeError(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """A parent that is killed tells nobody: without this its workers would wait for batches for ever."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if parent := parent_process():
        wait([parent.sentinel])
        os._exit(1)


def _work(batch: Sequence[Item]) -> list[ExtractionResult]:
    assert _loaded is not None
    if isinstance(_loaded, Exception):
        raise _loaded
    results = list(_extract_batch(_loaded, batch))
    _freed.give_back(len(batch))
    return results
