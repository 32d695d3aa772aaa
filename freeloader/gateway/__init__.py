"""HTTP: what comes in, what goes out. Decides nothing about models, money or quotas."""
