"""Statistics: patients against controls over the draws of a study, each number beside its null."""
