"""Multi-cast's shell: one request goes to several providers at once, and one answer is made of it.

What is asked of whom, who agrees and who judges is ``core.cast``'s; holding, sending and
settling an attempt is the pipeline's own. A surface sees a ``CastRun`` as any other run.
"""
