from __future__ import annotations

import threading

from tinsmith.background import Background


def test_work_goes_on_until_it_is_asked_to_stop() -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        background.stopping.wait()
        ended.set()

    background = Background("work", work)
    background.start()
    assert began.wait(30)
    assert not ended.is_set()
    background.stop()
    assert ended.is_set()


def test_what_never_began_is_stopped_at_once() -> None:
    background = Background("work", lambda: None)
    background.stop()
    assert background.stopping.is_set()
