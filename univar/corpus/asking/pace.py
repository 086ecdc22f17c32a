"""How many requests are under way at once, and how many a minute."""

import asyncio
from collections import deque

_FIRST = 2
"""Requests under way at first: what any server bears."""

_USUAL_OF = 8
"""Answers from whose time that of the others is judged."""

_QUICK, _SLOW = 0.1, 0.5
"""Shares of the timeout: an answer in less is quick in any case, and with one that takes more there are enough."""


class Slots:
    """How many requests may be under way at once, learnt from how the server bears them.

    Additive increase, multiplicative decrease: from two on, the limit doubles in the time of a reply until the server
    is first overloaded, then grows by one in that time, and is halved when it is overloaded again. The answers of a
    small server say so before: where they take a tenth of the timeout and twice as long as the first ones did, the
    limit grows by one in the time of a reply, and beyond half of the timeout not at all.
    """

    def __init__(self, most: int, timeout: float) -> None:
        """`most` is the limit of the limit, `timeout` the seconds after which a request counts as failed."""
        self.limit = float(min(_FIRST, most))
        self.under_way = 0
        self._most = most
        self._timeout = timeout
        self._first: list[float] = []
        self._doubling = True
        self._era = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> int:
        """Waits for a slot; gives what `give` wants to know."""
        if self.under_way >= int(self.limit) or self._waiting:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._wake()
            await turn
        else:
            self.under_way += 1
        return self._era

    def give(self, era: int, *, seconds: float | None, overloaded: bool) -> None:
        """Gives a slot back. Requests that were sent before the last decrease say nothing about the limit since.

        Args:
            era: What `take` gave.
            seconds: That the answer took; None if there is none.
            overloaded: Whether the server could not bear the request.
        """
        self.under_way -= 1
        if era == self._era and overloaded:
            self.limit, self._doubling, self._era = max(1.0, self.limit / 2), False, self._era + 1
        elif era == self._era and seconds is not None:
            self.limit = min(float(self._most), self.limit + self._growth(seconds))
        self._wake()

    def _growth(self, seconds: float) -> float:
        """What an answer that took so long adds to the limit."""
        if len(self._first) < _USUAL_OF:
            self._first.append(seconds)
        if seconds > _SLOW * self._timeout:
            return 0.0
        quick = seconds <= max(_QUICK * self._timeout, 2 * sum(self._first) / len(self._first))
        return 1.0 if quick and self._doubling else 1 / self.limit

    def _wake(self) -> None:
        while self._waiting and self.under_way < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)


class Rate:
    """At most so much a minute, evenly spread."""

    def __init__(self, per_minute: float | None) -> None:
        """None for no cap."""
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def wait(self, amount: float = 1) -> None:
        """Returns when `amount` may be spent."""
        if not self._interval:
            return
        now = asyncio.get_running_loop().time()  # monotonic: a clock that is set changes nothing
        start = max(self._next, now)
        self._next = start + amount * self._interval
        if start > now:
            await asyncio.sleep(start - now)

    def return_(self, amount: float) -> None:
        """Gives back what was waited for and not spent."""
        self._next -= amount * self._interval
