"""How pretend providers sound: refusals, headers, answers, streams. No limits in here."""
