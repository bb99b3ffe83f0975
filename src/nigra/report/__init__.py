"""The report: one offline HTML file that says what a run found, how sure it is, and what made it."""

from nigra.report.build import build_report

__all__ = ["build_report"]
