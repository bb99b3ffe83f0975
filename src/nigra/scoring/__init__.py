"""Scores for every voxel: reconstruction errors, always higher = more abnormal."""
