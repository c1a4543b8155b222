"""How long a stretch of work took, by the clock and of processor time, and how much memory it needed at most."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_MIB = 2**10
"""Kibibytes in a mebibyte; Linux counts in the former."""


@dataclass(frozen=True)
class Lap:
    """Seconds since the lap before; MiB of memory at most, `peak_mib` since the meter began, `process_mib` ever."""

    seconds: float
    cpu_seconds: float
    peak_mib: float | None
    process_mib: float


class Meter:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._watched = _forget_peak()
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> Lap:
        """What was needed since the last lap, or since the beginning."""
        clock, cpu = time.perf_counter(), time.process_time()
        found = Lap(
            round(clock - self._clock, 3),
            round(cpu - self._cpu, 3),
            _peak() if self._watched else None,
            process_peak(),
        )
        self._clock, self._cpu = clock, cpu
        return found


def process_peak() -> float:
    """High-water mark of this process's resident memory, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (_MIB**2 if sys.platform == "darwin" else _MIB), 1)


def _forget_peak() -> bool:
    """Begin the kernel's high-water mark anew; False where the system cannot."""
    try:
        # "5" resets the mark and nothing else: proc(5), clear_refs
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak() -> float | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / _MIB, 1)
    return None
