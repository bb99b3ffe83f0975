"""A synthetic cohort with known truth: FA and MD maps of people who never lived.

``parcellation`` says where the regions are, ``anatomy`` what tissue they are made of, ``person`` how people differ,
``disease`` what is planted in patients, ``dataset`` writes it all as a BIDS derivative folder.
"""

from nigra.phantom.dataset import write_phantom

__all__ = ["write_phantom"]
