"""nigra learns what a healthy brain is from controls' MRI and maps where a subject departs from it.

Research use only, not a medical device.
"""

__version__ = "0.1.0"
