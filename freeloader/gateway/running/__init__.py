"""The parts of one request's run (``gateway.run`` drives them).

``so_far`` is what is known, ``seeking`` finds who may serve and holds it, ``again`` says
whether to try once more, ``telling`` is what the client and the journal are told.
"""
