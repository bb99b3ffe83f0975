"""Models: compositions of an architecture and the terms it is trained with; the published ones as presets."""
