"""Who and where: participants, intake of BIDS folders and manifests, the cohort store, splits."""
