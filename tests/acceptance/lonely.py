"""K6: a daemon with its LiteLLM child, asked in both ways; a program of its own.

    python lonely.py FOLDER

Prints, per model, the statuses of a whole answer and of a stream, as JSON. It is run where
nothing but loopback can be reached: see ``test_hardening``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from farm import House, Simulator, model, pretend, provider, running


def main(place: Path) -> None:
    names = {"alpha": {}, "gemma": {"wire": "other"}}  # the second only the child can speak to
    simulator = Simulator(place, pretend({name: {"m": {"free": True}} for name in names}))
    house = House(place / "home")
    try:
        house.xswarm("init")
        entries = {
            name: provider(f"{simulator.url}/{name}/v1", {"m": model(name)}, **more)
            for name, more in names.items()
        }
        house.overlay("street", {"version": "2026.11.20", "providers": entries})
        for name in names:
            house.xswarm("account", "add", name, "-", stdin=f"key-{name}\n")
        with running(house):
            house.child_ready()
            said = {
                f"{name}/m": [house.chat(model=f"{name}/m", stream=s)[0] for s in (False, True)]
                for name in names
            }
            for words in ("status", "doctor", "models", "free", "analytics"):
                house.xswarm(words, ok=False)
        print(json.dumps(said))
    finally:
        simulator.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
