"""The stages of a run as declared inputs and outputs: split, train, score, calibrate, evaluate, report."""
