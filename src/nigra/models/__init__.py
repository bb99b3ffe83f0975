"""Auto-encoders and siamese auto-encoders: blocks, the two wrappers, the exact published presets."""
