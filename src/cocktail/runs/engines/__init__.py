"""Who does the runs: processes of this machine, a Ray cluster, or jobs of Slurm."""
