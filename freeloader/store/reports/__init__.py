"""What was consumed, spent and saved, by day, hour, model, project …: sums and questions over them.

``sums`` keeps the daily sums in step with every charge; ``spans`` cuts a stretch of
time into whole days (answered from sums) and the rest (answered from single rows);
``analytics`` asks; ``export`` reads everything in bounded pieces.
"""
