"""Planted anomalies: known changes in held-out controls, and what a method finds of them."""
