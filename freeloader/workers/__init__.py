"""Work that happens by the clock: one loop over named jobs.

A job reaches models only through the pipeline, and everything else through the
Protocols it declares. No thread, no process, no second scheduler.
"""
