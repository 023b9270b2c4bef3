"""Names, keys, prices and options of model engineers: what is wrong is said in one line, before anything is spent."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.core.final import Setup
from kernelwright.core.protocols import BudgetSpent
from kernelwright.engineers.catalogue import load_engineer
from kernelwright.engineers.model import ModelEngineer
from kernelwright.engineers.model.keys import KeyFilter, keys_of
from kernelwright.engineers.model.options import parse_options
from kernelwright.engineers.model.prediction import predict
from kernelwright.engineers.model.prices import Usage, load_prices, parse_prices
from kernelwright.engineers.model.providers import PROVIDERS, ModelName, access_to, parse_models
from kernelwright.engineers.model.purse import Purse
from kernelwright.engineers.model.wire import Talker
from tests.endpoint.conversation import Reply
from tests.endpoint.server import serving
from tests.engineers.model.runs import KEY, Script, calling, environment, kernel, play
from tests.runs.scripted import setup

QWEN = ModelName("qwen", "qwen3-max")


def asked(**fields: object) -> Setup:
    return replace(setup(60), engineer="model", **fields)  # type: ignore[arg-type]


def test_a_list_of_models_names_providers_and_models_colons_in_names_included() -> None:
    found = parse_models("qwen:qwen3-max, ollama:qwen3:8b,openrouter:qwen/qwen3-coder:free")
    assert [str(name) for name in found] == ["qwen:qwen3-max", "ollama:qwen3:8b", "openrouter:qwen/qwen3-coder:free"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "qwen3-max"}, "names like provider:model, such as qwen:qwen3-max, got 'qwen3-max'"),
        ({"model": "quen:qwen3-max"}, "provider 'quen' is not known.* Did you mean 'qwen'"),
        ({"model": "qwen:a,qwen:a"}, "each model once"),
        ({"model": ""}, "names like provider:model"),
        ({"islands": 0}, "--islands must be a whole number from 1 to 16, got 0"),
        ({"islands": True}, "--islands"),
        ({"window": 4000}, "--window must be a whole number from 8000 to 10000000, got 4000"),
        ({"silent_turns": 0}, "--silent-turns"),
        ({"mdoel": "qwen:a"}, "option of engineer 'model' 'mdoel' is not known.*model"),
    ],
)
def test_wrong_options_are_told_in_one_line(options: dict[str, object], told: str) -> None:
    with pytest.raises((RequestError, UnknownNameError), match=told):
        parse_options(options)


def test_the_engineer_is_found_by_name_and_takes_no_kind() -> None:
    assert isinstance(load_engineer("model", {"model": "qwen:qwen3-max"}), ModelEngineer)
    with pytest.raises(RequestError, match=r"named without a kind, got 'qwen'. Use --model qwen:NAME"):
        load_engineer("model:qwen")


def test_keys_and_addresses_come_from_the_environment() -> None:
    found = access_to(QWEN, {"DASHSCOPE_API_KEY": KEY})
    assert (found.key, found.address) == (KEY, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1")
    assert KEY not in repr(found)
    mainland = access_to(ModelName("qwen-cn", "qwen3-max"), {"DASHSCOPE_API_KEY": KEY})
    assert mainland.address == "https://dashscope.aliyuncs.com/compatible-mode/v1"
    assert access_to(ModelName("ollama", "x"), {"OLLAMA_BASE_URL": "http://box:1/v1/"}).address == "http://box:1/v1"


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        (QWEN, {}, "needs a key. Set the environment variable DASHSCOPE_API_KEY"),
        (ModelName("openai-compatible", "x"), {}, "needs an address. Set OPENAI_COMPATIBLE_BASE_URL"),
        (ModelName("vllm", "x"), {"VLLM_BASE_URL": "box:8000"}, "VLLM_BASE_URL must begin with http"),
    ],
)
def test_what_lacks_of_them_is_named(name: ModelName, given: dict[str, str], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        access_to(name, given)


def test_every_provider_has_a_name_for_its_key_and_its_address() -> None:
    for provider in PROVIDERS.values():
        assert provider.key_variable.endswith("_API_KEY") and provider.address_variable.endswith("_BASE_URL")
        assert provider.address.startswith("https://") or provider.is_local or not provider.address


def test_keys_are_taken_out_of_texts_wherever_they_stand() -> None:
    found = keys_of(
        {"DASHSCOPE_API_KEY": "short", "GITHUB_TOKEN": "ghp_0123456789ab", "PATH": "/usr/bin", "MY_KEY": "x"}
    )
    assert found.clean("a short walk, ghp_0123456789ab, /usr/bin, x") == "a [key] walk, [key], /usr/bin, x"
    assert found.clean_value({"a": ["ghp_0123456789ab", 3], "short": None}) == {"a": ["[key]", 3], "[key]": None}
    assert KeyFilter(["abc", "abcdef"]).clean("abcdefabc") == "[key][key]"


def test_every_price_of_the_package_is_dated_sourced_and_plausible() -> None:
    table = load_prices({"KERNELWRIGHT_HOME": "/nowhere"})
    assert len(table.entries) > 15
    for name, price in table.entries.items():
        assert price.source and price.read_on.year >= 2026, name
        assert 0 <= price.rates.cached <= price.rates.input <= price.rates.output <= 100, name
    assert table.of(ModelName("anthropic", "claude-opus-5-5-20261001")) == table.entries["anthropic:claude-opus-5-5*"]
    assert table.of(ModelName("openai", "gpt-none")) is None
    assert table.of(ModelName("ollama", "anything")) is not None


def test_requests_pay_by_kind_of_token_and_by_tier() -> None:
    price = load_prices({"KERNELWRIGHT_HOME": "/nowhere"}).of(QWEN)
    assert price is not None
    assert price.usd(Usage(10_000, 1_000)) == pytest.approx(0.012 + 0.006)
    assert price.usd(Usage(10_000, 0, cached=8_000)) == pytest.approx(0.0024 + 0.00192)
    assert price.usd(Usage(100_000, 1_000)) == pytest.approx(0.24 + 0.012)


def test_a_file_of_the_users_wins_over_the_package(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('["qwen:*"]\ninput = 9.0\noutput = 9.0\nread_on = 2026-12-24\n')
    table = load_prices({"KERNELWRIGHT_HOME": str(tmp_path)})
    mine = table.of(QWEN)
    assert mine is not None and (mine.rates.input, mine.rates.cached, mine.window) == (9.0, 9.0, None)
    assert table.of(ModelName("openai", "gpt-5")) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = [", "must be TOML"),
        ('["a:b"]\ninput = 1.0\nread_on = 2026-01-01\n', "must give output"),
        ('["a:b"]\ninput = 1.0\noutput = 2.0\n', "must say when the price was read"),
        ('["a:b"]\ninput = -1.0\noutput = 2.0\nread_on = 2026-01-01\n', "input must be a number, 0 or more, got -1.0"),
        ('["a:b"]\ninputs = 1.0\n', "must hold .* only, got inputs"),
        ("a = 3\n", "must be a table of prices"),
    ],
)
def test_a_wrong_price_file_is_told_by_entry(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        parse_prices(text, "prices.toml")


def test_a_prediction_grows_with_evaluations_and_window_and_names_its_price() -> None:
    prices = load_prices({"KERNELWRIGHT_HOME": "/nowhere"})
    small, large = (predict(asked(), QWEN, window, prices) for window in (16_000, 200_000))
    assert small.usage.read < large.usage.read and small.usage.said == large.usage.said
    assert small.usd is not None and large.usd is not None and 0 < small.usd < large.usd
    double = predict(replace(asked(), evaluations=120), QWEN, 16_000, prices)
    assert double.usage.tokens == pytest.approx(2 * small.usage.tokens, rel=0.1)


def test_what_a_run_takes_is_told_before_it_begins() -> None:
    with serving(lambda asked: Reply("x"), keys=(KEY,)) as endpoint:
        given = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": endpoint.url, "KERNELWRIGHT_HOME": "/nowhere"}
        engineer = replace(ModelEngineer(), environment=given)
        lines = engineer.with_options("", {"model": str(QWEN)}).prepare(asked(usd=1.0))
    assert "qwen:qwen3-max takes about" in lines[0] and "at most about $" in lines[0] and "prices of 2026" in lines[0]
    assert "assumed: 4 calls an evaluation" in lines[1]
    assert "--usd 1 will end the work after about" in lines[2]


def test_a_wrong_key_and_an_unknown_model_are_found_before_a_run() -> None:
    with serving(lambda asked: Reply("x"), keys=("other",), models=("qwen3:8b",)) as endpoint:
        found = {**environment(endpoint), "OLLAMA_BASE_URL": endpoint.url, "OPENAI_BASE_URL": endpoint.url}
        engineer = replace(ModelEngineer(), environment={**found, "OLLAMA_API_KEY": "other", "OPENAI_API_KEY": KEY})
        for name, told in (
            ("openai-compatible:x", "a key that its provider takes, status 401 .* Set OPENAI_COMPATIBLE_API_KEY"),
            ("openai:gpt-5", "a key that its provider takes"),
            ("ollama:qwen3:9b", r"model of ollama 'qwen3:9b' is not known; known: qwen3:8b. Did you mean 'qwen3:8b'"),
        ):
            with pytest.raises(RequestError, match=told) as error:
                engineer.with_options("", {"model": name}).prepare(asked())
            assert KEY not in str(error.value)
        assert endpoint.requests == 0, "nobody was asked for a reply"


def test_a_server_that_does_not_run_is_found_before_a_run() -> None:
    engineer = replace(ModelEngineer(), environment={"VLLM_BASE_URL": "http://127.0.0.1:9/v1"})
    with pytest.raises(
        RequestError, match=r"needs a server at http://127.0.0.1:9/v1, none answers. Start it, or set VLLM"
    ):
        engineer.with_options("", {"model": "vllm:x"}).prepare(asked())


def test_money_needs_prices_and_a_model_needs_a_name() -> None:
    engineer = replace(ModelEngineer(), environment={"OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9/v1"})
    with pytest.raises(
        RequestError, match="--usd needs the price of every model, none is known for openai-compatible:x"
    ):
        engineer.with_options("", {"model": "openai-compatible:x"}).prepare(asked(usd=1.0))
    with pytest.raises(RequestError, match="needs --model, such as qwen:qwen3-max"):
        engineer.prepare(asked())


PRICES = '["openai-compatible:*"]\ninput = 10.0\noutput = 100.0\nread_on = 2026-12-24\n'
ENDLESS = [calling("evaluate", source=kernel(1.1 + n / 100)) for n in range(60)]


def test_tokens_end_a_run_before_a_request_that_would_not_fit(tmp_path: Path) -> None:
    ran = play(tmp_path, Script(ENDLESS), tokens=30_000)
    assert ran.state.end_reason == "tokens are spent"
    assert 20_000 < ran.state.tokens <= 30_000
    assert ran.state.best is not None


def test_money_ends_a_run_before_a_request_that_would_not_fit(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "prices.toml").write_text(PRICES)
    ran = play(tmp_path, Script(ENDLESS), usd=0.5, home={"KERNELWRIGHT_HOME": str(home)})
    assert ran.state.end_reason == "money is spent"
    assert 0.4 < ran.state.usd <= 0.5
    assert any("$0." in line and "of $0.50" in line for line in ran.lines)


def test_a_purse_counts_what_others_have_reserved() -> None:
    price = parse_prices(PRICES, "x")["openai-compatible:*"]
    purse = Purse(lambda: {"tokens": 10_000.0, "usd": 0.5})
    with purse.reserved(4_000, 4_000, None) as first:
        assert first == 4_000
        with purse.reserved(1_000, 4_000, None) as second:
            assert second == 1_000
        with pytest.raises(BudgetSpent, match="tokens are spent"), purse.reserved(1_900, 4_000, None):
            pass
    with purse.reserved(1_000, 8_000, price) as third:
        assert third == 4_900, "0.01 of 0.50 dollars are input, the rest buys output"
        with pytest.raises(BudgetSpent, match="money is spent"), purse.reserved(1_000, 500, price):
            pass


def test_no_key_is_ever_written_sent_or_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    leaking = [
        calling("notes", text=f"the key is {KEY}"),
        calling("evaluate", source=kernel(1.5) + f"# {KEY}\n", note=KEY),
        Reply(f"I found {KEY}", reasoning=KEY),
        calling("write_file", path=f"{KEY}.txt", text=KEY),
        calling("read_file", path="[key].txt"),
        calling(KEY),
        calling("submit"),
    ]
    script = Script(leaking, memo=f"DECIDED: use {KEY}")
    ran = play(tmp_path, script)
    assert ran.state.is_closed and ran.state.counted == 1
    assert all(asked.key == KEY for asked in script.said), "the key was used"
    assert all(KEY not in m.text for asked in script.said for m in asked.messages)
    assert KEY not in "".join(ran.lines)
    assert KEY.encode() not in ran.everything_written()
    shown = capfd.readouterr()
    assert KEY not in shown.out + shown.err


def test_a_talker_shows_no_key() -> None:
    talker = Talker(access_to(QWEN, {"DASHSCOPE_API_KEY": KEY}), KeyFilter([KEY]))
    assert KEY not in repr(talker) and KEY not in str(vars(talker)["_access"])


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    engineer = replace(ModelEngineer(), environment={}).with_options("", {"model": "openai-compatible:x"})
    with pytest.raises(RequestError, match=r"needs package openai, .* Install it: pip install 'kernelwright\[llm\]'"):
        engineer.prepare(asked())
