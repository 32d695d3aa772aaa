"""Copies of both files, their way back, and what can be saved of a damaged one.

``backup`` copies and restores whole files; ``salvage`` reads rows out of a file that
SQLite gives up on; ``evidence`` makes the sums right again; ``repair`` puts these
together. The originals are always kept. The daemon must be stopped for all but copying.
"""
