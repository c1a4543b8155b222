"""Simple methods that any new one has to beat; each reads in a minute and runs on one core."""
