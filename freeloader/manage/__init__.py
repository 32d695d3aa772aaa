"""What an owner can do: accounts, keys, settings, taking over what is found. Plain operations.

Behind the management routes while the daemon runs, and behind the command line
while it does not. Nothing here speaks HTTP to clients or writes to a screen.
"""
