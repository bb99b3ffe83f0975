"""Benchmarks: nigra and its peers timed in turns in one process; the ratio is what counts.

A benchmark is a module here with ``measure(quick, tick) -> list[Comparison]``, named in ``NAMES``.
"""

NAMES = ("ocsvm", "loo", "dense", "gather", "train", "mixture", "quality", "cost")
"""What ``nigra bench all`` measures, in this order; each can be named alone."""

LONG = "embedding"
"""A million codes, only by its name: it takes far longer than all others."""

PAPER = "paper"
"""Paper scale, only by its name: it needs a GPU."""
