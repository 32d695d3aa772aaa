"""The statements of ledger and journal by name, a module for each kind; the schema is elsewhere.

Names say what they do; parameters are named, so that a statement can be read
apart from its caller. No statement is put together from parts at run time.
"""
