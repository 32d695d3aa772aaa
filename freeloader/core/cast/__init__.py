"""Multi-cast, as far as it is pure: whom to ask, what answers say, when they agree, who judges.

``choosing`` picks members at different providers and the judge, within every gate and
budget, and ``sharing`` bounds their answers where only so they fit; ``saying`` reads what
an answer says; ``voting`` counts who agrees; ``judging`` words the judge's question and
reads its scores; ``progress`` says when it is over; ``telling`` shows it all as JSON and
sentence. Nothing is sent or held here.
"""
