"""How good and how fast the models are here: prompts with checkable answers, asked sparingly.

Real traffic measures speed and success anyway; this adds quality per task. Nothing is
spent on a cloud model until the owner gives a share of its quota, or a budget.
"""
