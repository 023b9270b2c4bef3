"""What models cost: a dated table in the package, over which a file of the user's wins."""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from kernelwright.core.errors import RequestError
from kernelwright.engineers.model.providers import ModelName

FILE = "prices.toml"
_NAMES = {"input", "output", "cached", "stored", "window", "above", "read_on", "source"}


@dataclass(frozen=True)
class Usage:
    """Tokens of one request. `cached` and `stored` are parts of `read`: known from before, and newly remembered."""

    read: int
    said: int
    cached: int = 0
    stored: int = 0

    @property
    def tokens(self) -> int:
        """Return all of them."""
        return self.read + self.said


@dataclass(frozen=True)
class Rates:
    """US dollars for a million tokens of each kind."""

    input: float
    output: float
    cached: float
    stored: float

    def usd(self, usage: Usage) -> float:
        """Return what a request costs."""
        fresh = max(0, usage.read - usage.cached - usage.stored)
        parts = (
            (fresh, self.input), (usage.cached, self.cached), (usage.stored, self.stored), (usage.said, self.output)
        )  # fmt: skip
        return sum(count * rate for count, rate in parts) / 1e6


@dataclass(frozen=True)
class Price:
    """The rates of a model: of short requests, and of those with more input than the tokens of each tier."""

    rates: Rates
    above: tuple[tuple[int, Rates], ...]
    window: int | None
    read_on: date
    source: str

    def usd(self, usage: Usage) -> float:
        """Return what a request costs, in US dollars."""
        return self.rates_for(usage.read).usd(usage)

    def rates_for(self, read: int) -> Rates:
        """Return the rates of a request with that many tokens of input."""
        return next((rates for tokens, rates in reversed(self.above) if read > tokens), self.rates)


@dataclass(frozen=True)
class PriceTable:
    """Prices by name; `of` finds the one that counts."""

    entries: Mapping[str, Price]

    def of(self, name: ModelName) -> Price | None:
        """Return the price of a model, None where none is known. An exact name counts before the longest beginning."""
        full = str(name)
        if full in self.entries:
            return self.entries[full]
        fitting = [key for key in self.entries if key.endswith("*") and full.startswith(key[:-1])]
        return self.entries[max(fitting, key=len)] if fitting else None


def load_prices(environment: Mapping[str, str] | None = None) -> PriceTable:
    """Return the package's table with the entries of the user's file over it. Raises RequestError for a wrong file."""
    entries = parse_prices(files(__package__).joinpath(FILE).read_text(encoding="utf-8"), FILE)
    own = own_file(os.environ if environment is None else environment)
    try:
        text = own.read_text(encoding="utf-8")
    except FileNotFoundError:
        return PriceTable(entries)
    except OSError as error:
        raise RequestError(f"prices must be a file that can be read, {own}: {error.strerror}") from None
    # An exact name of the package must not win over a beginning in the user's file.
    mine = parse_prices(text, str(own))
    kept = {name: price for name, price in entries.items() if PriceTable(mine).of(_named(name)) is None}
    return PriceTable({**kept, **mine})


def own_file(environment: Mapping[str, str]) -> Path:
    """Return where the user's own prices would stand."""
    home = environment.get("KERNELWRIGHT_HOME")
    return (Path(home) if home else Path.home() / ".kernelwright") / FILE


def parse_prices(text: str, where: str) -> dict[str, Price]:
    """Return the entries of a table. Raises RequestError with the entry that is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{where} must be TOML: {error}") from None
    return {name: _price(table, f"{where}, {name}") for name, table in tables.items()}


def _named(text: str) -> ModelName:
    provider, _, model = text.partition(":")
    return ModelName(provider, model)


def _price(table: Any, where: str) -> Price:
    _require_table(table, _NAMES, where)
    tiers = sorted(
        ((_number(tier, "tokens", where), tier) for tier in table.get("above", ())), key=lambda tier: tier[0]
    )
    read_on, window = table.get("read_on"), table.get("window")
    if not isinstance(read_on, date):
        raise RequestError(f"{where} must say when the price was read: read_on = 2026-11-27")
    return Price(
        _rates(table, where),
        tuple((int(tokens), _rates(tier, where)) for tokens, tier in tiers),
        None if window is None else int(_number(table, "window", where)),
        read_on,
        str(table.get("source", "")),
    )


def _rates(table: Any, where: str) -> Rates:
    _require_table(table, {*_NAMES, "tokens"}, where)
    given = {field.name: _number(table, field.name, where) for field in fields(Rates) if field.name in table}
    if missing := {"input", "output"} - set(given):
        raise RequestError(f"{where} must give {' and '.join(sorted(missing))}, US dollars for a million tokens")
    return Rates(**{"cached": given["input"], "stored": given["input"], **given})


def _require_table(table: Any, names: Iterable[str], where: str) -> None:
    if not isinstance(table, dict):
        raise RequestError(f"{where} must be a table of prices, got {table!r}")
    if unknown := sorted(set(table) - set(names)):
        raise RequestError(f"{where} must hold {', '.join(sorted(names))} only, got {', '.join(unknown)}")


def _number(table: Mapping[str, object], name: str, where: str) -> float:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise RequestError(f"{where}: {name} must be a number, 0 or more, got {value!r}")
    return value


def unpriced(names: Sequence[ModelName], prices: PriceTable) -> tuple[ModelName, ...]:
    """Return the models for which no price is known."""
    return tuple(name for name in names if prices.of(name) is None)
