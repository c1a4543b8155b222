"""Measuring cold-start scores: metrics, the C1 protocol, controls, intervals, tables and the report."""

from coldplug.evaluate.c1 import SALTS, run_c1
from coldplug.evaluate.controls import CONTROLS, control
from coldplug.evaluate.metrics import Accuracy, accuracy, expected_gains

__all__ = ["CONTROLS", "SALTS", "Accuracy", "accuracy", "control", "expected_gains", "run_c1"]
