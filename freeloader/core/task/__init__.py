"""What a request is about: its task, how sure that is, and how complex it is.

Structure first (tool results or calls in play, images), then the last user turn: words that
name the task, else trained weights; what stays unsure is ``chat``. Pure Python, a fraction
of a millisecond: a text is cut before it is read. Models and prices are not known here.
``detect`` holds the one function to call; here are only the names, for those who check them.
"""

TASKS = (
    "chat",
    "coding",
    "reasoning",
    "summarization",
    "translation",
    "image",
    "agent_step",
)

__all__ = ["TASKS"]
