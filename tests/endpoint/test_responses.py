"""The scripted endpoint speaks OpenAI's responses: a client of their own makes of it what players say."""

from typing import Any

import pytest

from tests.endpoint.conversation import Call, Refused, Reply
from tests.endpoint.server import Endpoint, serving

openai = pytest.importorskip("openai")

CHECK = {"type": "function", "name": "check", "description": "try it", "parameters": {"type": "object"}, "strict": None}
TOOLS = [{"type": "namespace", "name": "mcp__kernelwright", "description": "", "tools": [CHECK]}, CHECK]
SAID = [
    {"role": "developer", "content": "as told"},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "begin"}]},
    {"type": "function_call", "namespace": "mcp__kernelwright", "name": "brief", "arguments": "{}", "call_id": "a"},
    {"type": "function_call_output", "call_id": "a", "output": "the brief"},
]
REPLY = Reply(
    "a text longer than one piece of a stream is",
    (Call("mcp__kernelwright__check", '{"source": "x = 1"}', "b"), Call("submit", "{}", "c")),
    tokens=(100, 7),
)


def client(endpoint: Endpoint) -> Any:
    return openai.OpenAI(base_url=endpoint.url, api_key="k", max_retries=0, timeout=10.0)


@pytest.mark.parametrize("streams", [False, True])
def test_a_reply_is_the_same_whole_and_in_pieces(streams: bool) -> None:
    given: dict[str, Any] = {"model": "m", "instructions": "be brief", "input": SAID, "tools": TOOLS}
    with serving(lambda asked: REPLY) as endpoint, client(endpoint) as talker:
        if streams:
            with talker.responses.create(**given, stream=True) as stream:
                events = list(stream)
            found = events[-1].response
            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            assert "".join(deltas) == REPLY.text
            assert [event.sequence_number for event in events] == list(range(len(events)))
        else:
            found = talker.responses.create(**given)
        (asked,) = endpoint.seen
    calls = [item for item in found.output if item.type == "function_call"]
    assert (found.output_text, found.status) == (REPLY.text, "completed")
    assert [(c.call_id, c.name, c.arguments) for c in calls] == [
        ("b", "check", '{"source": "x = 1"}'),
        ("c", "submit", "{}"),
    ]
    assert [getattr(call, "namespace", None) for call in calls] == ["mcp__kernelwright", None]
    assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 7)
    assert [(m.role, m.text, m.call_id) for m in asked.messages] == [
        ("system", "be brief", ""),
        ("system", "as told", ""),
        ("user", "begin", ""),
        ("assistant", "", ""),
        ("tool", "the brief", "a"),
    ]
    assert asked.messages[3].calls == (Call("mcp__kernelwright__brief", "{}", "a"),)
    assert [tool.name for tool in asked.tools] == ["mcp__kernelwright__check", "check"]


@pytest.mark.parametrize(("status", "error"), [(401, "AuthenticationError"), (500, "InternalServerError")])
def test_errors_come_as_statuses_with_their_words(status: int, error: str) -> None:
    with (
        serving(lambda asked: Refused(status, "as it is")) as endpoint,
        client(endpoint) as talker,
        pytest.raises(getattr(openai, error), match="as it is"),
    ):
        talker.responses.create(model="m", input="begin")
