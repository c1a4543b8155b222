"""kgbuild reads item descriptions and writes a knowledge graph: read -> extract -> resolve -> write."""
