"""Predicts with the unmodified `dlr` package; the process ends at its first word to the network.

python dlr_predict.py FOLDER ROWS.npy PREDICTION.npy
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

CALLED_HOME = 9


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print(f"dlr called home: {event} {arguments}", file=sys.stderr, flush=True)
        os._exit(CALLED_HOME)


def main() -> None:
    folder, rows, prediction = sys.argv[1:]
    sys.addaudithook(refuse_network)
    from dlr import DLRModel

    model = DLRModel(folder, "cpu", 0)
    np.save(prediction, model.run({model.get_input_names()[0]: np.load(rows)})[0])


if __name__ == "__main__":
    main()
