"""What is true right now: quota windows, budgets, health, pauses. In memory, one owner.

``books.Books`` is the door; the other modules are its parts. The event loop owns
it all: reserve, settle and release change memory without awaiting inside.
"""
