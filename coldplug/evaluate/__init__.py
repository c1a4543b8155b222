"""Measuring cold-start scores: metrics, the C1 protocol, controls on the graph, intervals, tables and
the report."""
