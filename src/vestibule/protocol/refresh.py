"""When a refresh token that has been spent is answered again, and when it gives its family away.

States of a link: LIVE → SPENT. A spent link stays answerable with the same successor for the grace window, as long as
that successor has not been spent itself: then the caller is the one who lost an answer, or one of several processes
that share a token store. Anything older is a stolen token on one side or the other, and the whole family ends (RFC
9700 §4.14.2).
"""

from datetime import datetime, timedelta
from enum import Enum

from vestibule.model import RefreshToken


class Replay(Enum):
    SAME_SUCCESSOR = "same successor"
    REUSE = "reuse"


def judge_replay(spent: RefreshToken, successor: RefreshToken | None, *, now: datetime, grace: timedelta) -> Replay:
    """What a request with a spent refresh token means. `grace`: 0 is strict single use."""
    if spent.spent_at is None:
        raise ValueError("the token is live")
    in_window = grace > timedelta(0) and now - spent.spent_at <= grace
    if in_window and spent.sealed_successor is not None and successor is not None and successor.spent_at is None:
        return Replay.SAME_SUCCESSOR
    return Replay.REUSE
