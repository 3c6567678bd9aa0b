"""`python ATTACKS` prints the names of all probes by group, as JSON.

`python ATTACKS PROBE,PROBE,... WORLD`: a line of JSON for each, [name, whether it claims success, detail]."""

from __future__ import annotations

import json
import sys

from attack_list import GROUPS
from registry import PROBES, Held


def main() -> None:
    """Tries each in turn; without arguments says what there is."""
    if len(sys.argv) == 1:
        print(json.dumps(GROUPS))
        return
    world = json.loads(sys.argv[2])
    for name in sys.argv[1].split(","):
        try:
            answer = [name, True, str(PROBES[name](world))]
        except (Held, OSError, MemoryError) as error:
            answer = [name, False, str(error) or type(error).__name__]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
