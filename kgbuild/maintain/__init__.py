"""Maintaining graphs: items are added, changed and retracted, and two graphs become one."""
