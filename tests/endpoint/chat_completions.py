"""OpenAI's chat completions on the wire: requests to conversations, replies to bodies and events.

Source: OpenAI, "API reference: chat completions" (request, response and chunk objects, errors), read November 2026.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.endpoint.conversation import Call, Conversation, Message, Refused, Reply, Role, Tool, pieces_of

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ChatCompletions:
    """The wire that most providers and local servers speak."""

    path = "/chat/completions"

    def conversation(self, body: Mapping[str, Any], key: str) -> Conversation:
        """Return the conversation that a request holds. Raises KeyError, TypeError, ValueError where it is none."""
        return Conversation(
            model=body["model"],
            messages=tuple(_message(one) for one in body["messages"]),
            tools=tuple(_tool(one["function"]) for one in body.get("tools") or ()),
            streams=bool(body.get("stream")),
            key=key,
            most_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        )

    def whole(self, reply: Reply, asked: Conversation) -> dict[str, object]:
        """Return the body of an answer that is not streamed."""
        message: dict[str, object] = {"role": "assistant", "content": reply.text or None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = [_call(call) for call in reply.calls]
        choice = {"index": 0, "message": message, "finish_reason": reply.finished, "logprobs": None}
        return {**_head(asked, "chat.completion"), "choices": [choice], "usage": _usage(reply, asked)}

    def events(self, reply: Reply, asked: Conversation) -> Iterator[bytes]:
        """Yield the events of an answer that is streamed, the last one included."""
        for delta, finish in _deltas(reply):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            yield _event({**_head(asked, "chat.completion.chunk"), "choices": [choice]})
        yield _event({**_head(asked, "chat.completion.chunk"), "choices": [], "usage": _usage(reply, asked)})
        yield b"data: [DONE]\n\n"

    def refusal(self, refused: Refused) -> dict[str, object]:
        """Return the body of an error."""
        kind = refused.kind or _KINDS.get(refused.status, "server_error")
        return {"error": {"message": refused.text, "type": kind, "param": None, "code": refused.kind or None}}


def _message(one: Mapping[str, Any]) -> Message:
    calls = tuple(
        Call(call["function"]["name"], call["function"]["arguments"], call["id"])
        for call in one.get("tool_calls") or ()
    )
    role: Role = "system" if one["role"] == "developer" else one["role"]
    return Message(role, _text(one.get("content")), calls, one.get("tool_call_id", ""))


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return "" if content is None else str(content)


def _tool(one: Mapping[str, Any]) -> Tool:
    return Tool(one["name"], one.get("description", ""), one.get("parameters") or {})


def _call(call: Call) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _head(asked: Conversation, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 1_760_000_000, "model": asked.model}


def _usage(reply: Reply, asked: Conversation) -> dict[str, object]:
    read, said = reply.tokens or (asked.tokens, reply.output_tokens)
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _deltas(reply: Reply) -> Iterator[tuple[dict[str, object], str | None]]:
    yield {"role": "assistant", "content": ""}, None
    for piece in pieces_of(reply.reasoning):
        yield {"reasoning_content": piece}, None
    for piece in pieces_of(reply.text):
        yield {"content": piece}, None
    for index, call in enumerate(reply.calls):
        begun = {"index": index, **_call(Call(call.name, "", call.id))}
        yield {"tool_calls": [begun]}, None
        for piece in pieces_of(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
    yield {}, reply.finished


def _event(value: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
