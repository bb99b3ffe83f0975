"""Benchmarks: nigra and its peers timed in turns in one process; the ratio is what counts.

A benchmark is a module here with ``measure(quick, tick) -> list[Comparison]``, named in ``NAMES``.
"""

NAMES = ("ocsvm", "loo", "dense", "gather", "train", "mixture", "cost")
"""What ``nigra bench NAME`` can measure; ``all`` is every one of them, in this order."""
