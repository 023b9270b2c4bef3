"""The engineer `model`: language models of any provider, at work through the workshop's tools."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelwright.core.errors import RequestError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import Tools
from kernelwright.engineers.model.desk import Desk, Shared
from kernelwright.engineers.model.island import Island
from kernelwright.engineers.model.islands import Live, work_together
from kernelwright.engineers.model.keys import KeyFilter, keys_of
from kernelwright.engineers.model.options import Options, parse_options
from kernelwright.engineers.model.outage_clock import OutageClock
from kernelwright.engineers.model.patience import Asked, Clockwork, PatientModel, Told
from kernelwright.engineers.model.prediction import told
from kernelwright.engineers.model.preflight import check_access
from kernelwright.engineers.model.prices import PriceTable, load_prices, own_file, unpriced
from kernelwright.engineers.model.providers import Access, ModelName, access_to
from kernelwright.engineers.model.purse import Purse
from kernelwright.engineers.model.wire import Talker, require_library

# The window of a model of which nothing is known, and the most that is used of a larger one unless asked for: input is
# paid anew with every turn.
UNKNOWN_WINDOW, MOST_WINDOW = 32_768, 200_000
MakeTalker = Callable[[Access, KeyFilter], Asked]


@dataclass(frozen=True)
class ModelEngineer:
    """Works in one or several conversations; see `Options`. Keys come from `environment` alone."""

    options: Options = field(default_factory=Options)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    clockwork: Clockwork = field(default_factory=Clockwork)
    make_talker: MakeTalker = Talker

    repeats_calls = False

    @property
    def name(self) -> str:
        """Return the public name."""
        return "model"

    def with_options(self, kind: str, options: Mapping[str, object]) -> "ModelEngineer":
        """Return the engineer with the options of a run. Raises RequestError for wrong ones."""
        if kind:
            raise RequestError(f"engineer 'model' must be named without a kind, got '{kind}'. Use --model {kind}:NAME")
        return replace(self, options=parse_options(options))

    def prepare(self, setup: Setup) -> Sequence[str]:
        """Return what the run will take, in lines for people.

        Raises RequestError when a package, a model, a key or a server lacks, or money has a limit but no price.
        """
        self._require_models()
        prices = load_prices(self.environment)
        names = self.options.models
        accesses = [access_to(name, self.environment) for name in names]
        if setup.usd is not None and (missing := unpriced(names, prices)):
            raise RequestError(
                f"--usd needs the price of every model, none is known for {missing[0]}. Add it to "
                f"{own_file(self.environment)}, or leave out --usd"
            )
        notes = [note for access in accesses if (note := check_access(access))]
        windows = [self._window((name,), prices) for name in names]
        return (*notes, *told(setup, names, windows, prices))

    def work(self, tools: Tools, seed: int) -> None:
        """Work until a rule ends it: raises BudgetSpent. Raises RequestError where only a person can help."""
        self._require_models()
        prices, keys = load_prices(self.environment), keys_of(self.environment)
        count = self.options.islands
        names = [f"island {at + 1}" for at in range(count)]
        live, outages = Live(names), OutageClock(count, self.clockwork.clock_ns)
        shared = Shared(
            prices, Purse(tools.remaining), outages, self._window(self.options.models, prices),
            self.options.silent_turns, live.is_last,
        )  # fmt: skip
        islands = []
        for at, name in enumerate(names):
            desk = Desk(tools, keys, name if count > 1 else "", prices)
            islands.append(Island(name, desk, self._model(at, name, desk, keys, outages), shared))
        work_together(islands, live, outages)

    def _model(self, at: int, name: str, desk: Desk, keys: KeyFilter, outages: OutageClock) -> PatientModel:
        """Return the models of one conversation: all of the list, beginning with another one in each."""
        models = self.options.models
        order = [models[(at + step) % len(models)] for step in range(len(models))]
        talkers = [self.make_talker(access_to(model, self.environment), keys) for model in order]
        return PatientModel(talkers, name, Told(desk.outage, desk.spent, desk.heed), outages, self.clockwork)

    def _window(self, names: Sequence[ModelName], prices: PriceTable) -> int:
        """Return the window that fits every model, as far as it is known."""
        if self.options.window is not None:
            return self.options.window
        known = [price.window for name in names if (price := prices.of(name)) and price.window]
        if len(known) < len(names):
            known.append(UNKNOWN_WINDOW)
        return min(MOST_WINDOW, *known)

    def _require_models(self) -> None:
        require_library()
        if not self.options.models:
            raise RequestError("engineer 'model' needs --model, such as qwen:qwen3-max or ollama:qwen3:8b")
