"""Ways to a provider: a lane turns one attempt into a stream of events, and nothing else."""
