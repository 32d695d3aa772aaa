"""Done once: a request that carries an ``Idempotency-Key`` and is sent again is not done again."""
