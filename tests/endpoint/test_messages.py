"""The scripted endpoint speaks Anthropic's messages: a client of their own makes of it what players say."""

from typing import Any

import pytest

from tests.endpoint.conversation import Call, Refused, Reply
from tests.endpoint.server import Endpoint, serving

anthropic = pytest.importorskip("anthropic")

TOOLS = [{"name": "mcp__kernelwright__check", "description": "try it", "input_schema": {"type": "object"}}]
SAID = [
    {"role": "user", "content": "begin"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "first"},
            {"type": "tool_use", "id": "a", "name": "brief", "input": {"x": 1}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "the brief"}]},
            {"type": "text", "text": "go on"},
        ],
    },
]
REPLY = Reply(
    "a text longer than one piece of a stream is",
    (Call("check", '{"source": "x = 1"}', "b"), Call("submit", "{}", "c")),
    "thinking",
    tokens=(100, 7),
)


def client(endpoint: Endpoint) -> Any:
    return anthropic.Anthropic(base_url=endpoint.root, api_key="k", max_retries=0, timeout=10.0)


@pytest.mark.parametrize("streams", [False, True])
def test_a_reply_is_the_same_whole_and_in_pieces(streams: bool) -> None:
    given: dict[str, Any] = {"model": "m", "max_tokens": 99, "system": "be brief", "messages": SAID, "tools": TOOLS}
    with serving(lambda asked: REPLY) as endpoint, client(endpoint) as talker:
        if streams:
            with talker.messages.stream(**given) as stream:
                found = stream.get_final_message()
        else:
            found = talker.messages.create(**given)
        (asked,) = endpoint.seen
    thought, text, *calls = found.content
    assert (thought.thinking, text.text, found.stop_reason) == ("thinking", REPLY.text, "tool_use")
    assert [(c.id, c.name, c.input) for c in calls] == [("b", "check", {"source": "x = 1"}), ("c", "submit", {})]
    assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 7)
    assert [(m.role, m.text, m.call_id) for m in asked.messages] == [
        ("system", "be brief", ""),
        ("user", "begin", ""),
        ("assistant", "first", ""),
        ("tool", "the brief", "a"),
        ("user", "go on", ""),
    ]
    assert asked.messages[2].calls == (Call("brief", '{"x": 1}', "a"),)
    assert (asked.model, asked.key, asked.most_tokens, asked.streams) == ("m", "k", 99, streams)
    assert [(tool.name, tool.description) for tool in asked.tools] == [("mcp__kernelwright__check", "try it")]


@pytest.mark.parametrize(("status", "error"), [(401, "AuthenticationError"), (529, "InternalServerError")])
def test_errors_come_as_statuses_with_their_words(status: int, error: str) -> None:
    with (
        serving(lambda asked: Refused(status, "as it is")) as endpoint,
        client(endpoint) as talker,
        pytest.raises(getattr(anthropic, error), match="as it is"),
    ):
        talker.messages.create(model="m", max_tokens=9, messages=SAID[:1])
