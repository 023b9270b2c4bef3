"""What a run will take of models, told before it begins: an estimate with its assumptions, never a promise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernelwright.core.final import Setup
from kernelwright.engineers.model.prices import PriceTable, Usage
from kernelwright.engineers.model.providers import ModelName

# Of scripted and recorded runs: calls for one evaluation, what one adds to a conversation, what of it the model wrote,
# where a conversation begins.
TURNS_AN_EVALUATION = 4
TOKENS_A_TURN = 2_500
SAID_A_TURN = 1_200
FIRST_TOKENS = 8_000
# Evaluations of a run that is limited by hours only, for which no number is known before.
UNKNOWN_EVALUATIONS = 60


@dataclass(frozen=True)
class Prediction:
    """Tokens and US dollars for a number of evaluations; `usd` is None where no price is known."""

    evaluations: int
    usage: Usage
    usd: float | None


def predict(setup: Setup, name: ModelName, window: int, prices: PriceTable) -> Prediction:
    """Return what the run's evaluations take when `name` answers all, conversations cut whenever the window is full.

    Nothing is assumed of the provider's cache: with one it costs less.
    """
    evaluations = setup.evaluations or UNKNOWN_EVALUATIONS
    turns, length = evaluations * TURNS_AN_EVALUATION, min(FIRST_TOKENS, window // 2)
    read = said = 0
    usd, price = 0.0, prices.of(name)
    for _ in range(turns):
        read += length
        said += SAID_A_TURN
        usd += price.usd(Usage(length, SAID_A_TURN)) if price else 0.0
        length += TOKENS_A_TURN
        if length > window * 3 // 4:
            length = window // 2
    return Prediction(evaluations, Usage(read, said), usd if price else None)


def told(setup: Setup, names: Sequence[ModelName], windows: Sequence[int], prices: PriceTable) -> tuple[str, ...]:
    """Return the prediction in lines for people: tokens, money with the date of its price, and which budget ends it."""
    found = predict(setup, names[0], windows[0], prices)
    count = f"{found.evaluations} evaluations" if setup.evaluations else f"each {found.evaluations} evaluations"
    took = f"about {found.usage.read / 1e6:.2g}M tokens read and {found.usage.said / 1e6:.2g}M written for {count}"
    price = prices.of(names[0])
    if price is None or found.usd is None:
        lines = [f"{names[0]} takes {took}; no price is known for it, so money is not counted"]
    else:
        money = f"at most about ${found.usd:.2f}" if found.usd else "no money"
        lines = [f"{names[0]} takes {took}: {money} (prices of {price.read_on}, {price.source})"]
    lines.append(
        f"assumed: {TURNS_AN_EVALUATION} calls an evaluation, {TOKENS_A_TURN} tokens a call, a window of {windows[0]}, "
        "no cache of the provider"
    )
    lines += _shortfall("tokens", setup.tokens, found.usage.tokens, found.evaluations)
    lines += _shortfall("usd", setup.usd, found.usd, found.evaluations)
    return tuple(lines)


def _shortfall(name: str, limit: float | None, needed: float | None, evaluations: int) -> list[str]:
    if limit is None or needed is None or needed <= limit:
        return []
    reached = math.floor(evaluations * limit / needed)
    return [f"--{name} {limit:g} will end the work after about {reached} evaluations"]
