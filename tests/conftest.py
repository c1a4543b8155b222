"""What every test starts from, whatever started pytest."""

from __future__ import annotations

import signal

# A shell without job control starts what it puts into the background with SIGINT ignored, and a process hands that
# on to its children; the tests that interrupt a child would then wait for an end that never comes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
