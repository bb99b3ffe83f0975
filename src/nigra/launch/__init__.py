"""The tasks of a run in processes of their own, on this machine or on a SLURM cluster."""
