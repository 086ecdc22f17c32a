"""How many requests are under way at once, and how many a minute."""

import asyncio
from collections import deque


class Slots:
    """How many requests may be under way at once, learnt from how the server bears them.

    Additive increase, multiplicative decrease: the limit doubles in the time of a reply until the server is first
    overloaded, then grows by one in that time, and is halved when it is overloaded again.
    """

    def __init__(self, most: int) -> None:
        """`most` is the limit of the limit."""
        self.limit = float(max(min(8, most), most // 2))
        self.under_way = 0
        self._most = most
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

    def give(self, era: int, *, answered: bool, overloaded: bool) -> None:
        """Gives a slot back. Requests that were sent before the last decrease say nothing about the limit since."""
        self.under_way -= 1
        if overloaded and era == self._era:
            self.limit, self._doubling, self._era = max(1.0, self.limit / 2), False, self._era + 1
        elif answered and era == self._era:
            self.limit = min(float(self._most), self.limit + (1 if self._doubling else 1 / self.limit))
        self._wake()

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
