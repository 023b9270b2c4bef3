"""What may still be taken of tokens and money, shared by all conversations of a run: reserved before, settled after."""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.model.prices import Price, Usage

# A reply shorter than this is not worth its request.
LEAST_REPLY = 256


class Left(Protocol):
    """Tells what is left of each budget; see `core.protocols.Tools.remaining`."""

    def __call__(self) -> Mapping[str, float]:
        """Return tokens and usd among others, infinite where there is no limit."""


class Purse:
    """Lets a request begin only if its input and a short reply fit what is left, others' requests counted in."""

    def __init__(self, left: Left) -> None:
        self._left = left
        self._tokens, self._usd = 0.0, 0.0
        self._guard = threading.Lock()

    def reserved(self, read: int, most: int, price: Price | None) -> AbstractContextManager[int]:
        """Return a context with how many tokens the reply may have, at most `most`.

        Entering raises BudgetSpent, in the words of the run's own rules, when the request does not fit any more.
        """
        return self._reserved(read, most, price)

    @contextmanager
    def _reserved(self, read: int, most: int, price: Price | None) -> Iterator[int]:
        with self._guard:
            said = self._affordable(read, most, price)
            tokens, usd = read + said, price.usd(Usage(read, said)) if price else 0.0
            self._tokens += tokens
            self._usd += usd
        try:
            yield said
        finally:
            with self._guard:
                self._tokens -= tokens
                self._usd -= usd

    def _affordable(self, read: int, most: int, price: Price | None) -> int:
        left = self._left()
        tokens = left["tokens"] - self._tokens - read
        least = min(LEAST_REPLY, most)
        if tokens < least:
            raise BudgetSpent("tokens are spent")
        rates = price.rates_for(read) if price else None
        if rates is None or math.isinf(left["usd"]) or rates.input == rates.output == 0:
            return int(min(most, tokens))
        usd = left["usd"] - self._usd - rates.usd(Usage(read, 0))
        by_money = usd * 1e6 / rates.output if rates.output else math.inf if usd >= 0 else 0.0
        if by_money < least:
            raise BudgetSpent("money is spent")
        return int(min(most, tokens, by_money))
