"""The scripted endpoint speaks chat completions: a client of OpenAI's own makes of it what players say."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.endpoint.competent import STEPS, competent, source
from tests.endpoint.conversation import Call, Conversation, Played, Refused, Reply, Reset, Stall
from tests.endpoint.server import Endpoint, serving

openai = pytest.importorskip("openai")

TOOLS = [{"type": "function", "function": {"name": "mcp__kernelwright__evaluate", "parameters": {"type": "object"}}}]
CALLS = (Call("check", '{"source": "x = 1"}', "a"), Call("submit", "{not json", "b"))


def client(endpoint: Endpoint, key: str = "k", timeout_s: float = 10.0) -> Any:
    return openai.OpenAI(base_url=endpoint.url, api_key=key, max_retries=0, timeout=timeout_s)


def ask(endpoint: Endpoint, **given: Any) -> Any:
    messages = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "begin"}]
    with client(endpoint, given.pop("key", "k"), given.pop("timeout_s", 10.0)) as talker:
        return talker.chat.completions.create(model=given.pop("model", "m"), messages=messages, **given)


def read(endpoint: Endpoint, **given: Any) -> list[Any]:
    messages = [{"role": "user", "content": "begin"}]
    with (
        client(endpoint, timeout_s=given.pop("timeout_s", 10.0)) as talker,
        talker.chat.completions.create(model="m", messages=messages, stream=True, **given) as stream,
    ):
        return list(stream)


def test_a_reply_comes_whole_with_its_calls_its_reason_and_what_it_took() -> None:
    reply = Reply("two calls", CALLS, "thinking", tokens=(100, 7))
    with serving(lambda asked: reply) as endpoint:
        found = ask(endpoint, tools=TOOLS, max_tokens=99)
        (asked,) = endpoint.seen
    choice = found.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("two calls", "tool_calls")
    assert choice.message.reasoning_content == "thinking"
    assert [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls] == [
        (call.id, call.name, call.arguments) for call in CALLS
    ]
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (100, 7)
    assert [(m.role, m.text) for m in asked.messages] == [("system", "be brief"), ("user", "begin")]
    assert (asked.model, asked.key, asked.most_tokens) == ("m", "k", 99)
    assert [tool.name for tool in asked.tools] == ["mcp__kernelwright__evaluate"]


def test_a_stream_says_the_same_in_pieces() -> None:
    reply = Reply("a text longer than one piece of a stream is", CALLS, "thinking", tokens=(100, 7))
    with serving(lambda asked: reply) as endpoint:
        chunks = read(endpoint, tools=TOOLS)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == reply.text
    pieces = [call for delta in deltas for call in delta.tool_calls or ()]
    for index, call in enumerate(CALLS):
        mine = [piece for piece in pieces if piece.index == index]
        assert (mine[0].id, mine[0].function.name) == (call.id, call.name)
        assert "".join(piece.function.arguments for piece in mine) == call.arguments
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "tool_calls"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (100, 7)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_errors_come_as_statuses_with_their_words(status: int, error: str) -> None:
    with (
        serving(lambda asked: Refused(status, "as it is", retry_after_s=3)) as endpoint,
        pytest.raises(getattr(openai, error)) as told,
    ):
        ask(endpoint)
    assert told.value.response.headers["retry-after"] == "3"
    assert "as it is" in str(told.value)


def test_keys_and_models_that_are_not_known_are_refused() -> None:
    with serving(lambda asked: Reply("no"), keys=("good",), models=("m",)) as endpoint:
        with pytest.raises(openai.AuthenticationError):
            ask(endpoint, key="bad")
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            ask(endpoint, key="good", model="other")
        with client(endpoint, "good") as talker:
            assert [model.id for model in talker.models.list()] == ["m"]
        assert (len(endpoint.seen), endpoint.refused) == (0, 2)


@pytest.mark.parametrize("ask_for", [ask, read])
def test_a_connection_that_breaks_off_in_the_middle_is_an_error_of_the_connection(
    ask_for: Callable[[Endpoint], object],
) -> None:
    with serving(lambda asked: Reset(Reply("a long answer " * 40))) as endpoint, pytest.raises(Exception) as told:
        ask_for(endpoint)
    assert isinstance(told.value, openai.APIConnectionError) or "httpx" in type(told.value).__module__


@pytest.mark.parametrize("ask_for", [ask, read])
def test_an_answer_that_stalls_runs_into_the_time_limit_of_the_client(ask_for: Callable[..., object]) -> None:
    with serving(lambda asked: Stall(60.0)) as endpoint, pytest.raises(Exception, match=r"(?i)timed? ?out"):
        ask_for(endpoint, timeout_s=0.3)


def test_the_competent_player_makes_its_steps_in_order_whatever_is_put_before_the_names_of_tools() -> None:
    names = ["mcp__kernelwright__" + name for name in (*dict(STEPS), "poll", "probe")]
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
    made: list[str] = []
    messages: list[dict[str, Any]] = [{"role": "user", "content": "begin"}]
    with serving(competent) as endpoint, client(endpoint) as talker:
        while True:
            said = talker.chat.completions.create(model="m", messages=messages, tools=tools).choices[0].message
            if not said.tool_calls:
                break
            call = said.tool_calls[0]
            made.append(call.function.name)
            running = call.function.name.endswith("evaluate") and made.count(call.function.name) == 1
            answer = '{"job": "1", "state": "running"}' if running else "{}"
            messages.append(said.model_dump(exclude_none=True))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})
    expected = ["mcp__kernelwright__" + name for name, _ in STEPS]
    expected.insert(6, "mcp__kernelwright__poll")
    assert made == expected
    assert source("first") in messages[11]["tool_calls"][0]["function"]["arguments"].encode().decode("unicode_escape")


def test_requests_without_the_tools_get_a_word() -> None:
    asked = Conversation("m", ())
    played: Played = competent(asked)
    assert isinstance(played, Reply) and not played.calls
