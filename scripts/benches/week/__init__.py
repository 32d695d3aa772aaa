"""A simulated week of free quotas: what there is, what is asked, who routes, what was possible."""
