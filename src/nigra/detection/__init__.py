"""From scores to decisions: thresholds fitted on controls alone."""
