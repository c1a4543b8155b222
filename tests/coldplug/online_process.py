"""Programs that tests start as processes of their own: they observe for one user until they are done, or killed."""

from __future__ import annotations

import sys
import time

from coldplug.online import open_users


def main() -> None:
    """PLACE FSYNC USER PREFIX COUNT ITEMS: say "ready", wait for a line, observe PREFIX0 to PREFIX(ITEMS - 1) in turn.

    The n-th reward is n, and n is printed once it is acknowledged.
    """
    place, fsync, user, prefix, count, items = sys.argv[1:]
    store = open_users(place, fsync="always" if fsync == "always" else "checkpoint")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        store.observe(user, f"{prefix}{number % int(items)}", float(number), time.time())
        print(number, flush=True)


if __name__ == "__main__":
    main()
