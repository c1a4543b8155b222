"""What a server counts, as Prometheus reads it: requests, seconds, refusals, items, swaps, and the process itself."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one server; a registry of their own, so that two servers in a process do not mix."""

    def __init__(self) -> None:
        # When each counter was made is a second line for every first one.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "coldplug_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "coldplug_request_seconds",
            "From the first byte asked to the last answered.",
            ["path"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.in_flight = Gauge(
            "coldplug_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.items = Gauge("coldplug_items", "Items that can be scored.", registry=self.registry)
        self.swaps = Counter(
            "coldplug_model_swaps", "Models swapped in, or refused.", ["outcome"], registry=self.registry
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count one request; `path` is one of the server's own addresses, so that there are few of them."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self.registry)
