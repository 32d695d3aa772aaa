"""The spare lane: the front itself speaks to providers whose wire is OpenAI's."""
