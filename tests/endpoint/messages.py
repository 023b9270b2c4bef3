"""Anthropic's messages on the wire: requests to conversations, replies to bodies and events.

Source: Anthropic, "API reference: messages" and "Streaming messages" (events, blocks, errors), read November 2026.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.endpoint.conversation import Call, Conversation, Message, Refused, Reply, Tool, pieces_of

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


class Messages:
    """The wire of Claude Code, and of whoever uses Anthropic's models."""

    path = "/messages"

    def conversation(self, body: Mapping[str, Any], key: str) -> Conversation:
        """Return the conversation that a request holds. Raises KeyError, TypeError, ValueError where it is none."""
        system = _text(body.get("system"))
        begun = (Message("system", system),) if system else ()
        return Conversation(
            model=body["model"],
            messages=(*begun, *(said for one in body["messages"] for said in _messages(one))),
            tools=tuple(_tool(one) for one in body.get("tools") or ()),
            streams=bool(body.get("stream")),
            key=key,
            most_tokens=body["max_tokens"],
        )

    def whole(self, reply: Reply, asked: Conversation) -> dict[str, object]:
        """Return the body of an answer that is not streamed."""
        read, said = reply.tokens or (asked.tokens, reply.output_tokens)
        return {
            **_head(asked),
            "content": list(_blocks(reply)),
            "stop_reason": _REASONS[reply.finished],
            "usage": {"input_tokens": read, "output_tokens": said},
        }

    def events(self, reply: Reply, asked: Conversation) -> Iterator[bytes]:
        """Yield the events of an answer that is streamed, the last one included."""
        read, said = reply.tokens or (asked.tokens, reply.output_tokens)
        begun = {**_head(asked), "content": [], "stop_reason": None}
        yield _event("message_start", message={**begun, "usage": {"input_tokens": read, "output_tokens": 1}})
        for index, block in enumerate(_blocks(reply)):
            yield from _block_events(index, block)
        ended = {"stop_reason": _REASONS[reply.finished], "stop_sequence": None}
        yield _event("message_delta", delta=ended, usage={"output_tokens": said})
        yield _event("message_stop")

    def refusal(self, refused: Refused) -> dict[str, object]:
        """Return the body of an error."""
        kind = refused.kind or _KINDS.get(refused.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": refused.text}}


def _messages(one: Mapping[str, Any]) -> Iterator[Message]:
    """Yield a message, and each tool's answer in it as a message of its own, before its text."""
    content = one["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        if block["type"] == "tool_result":
            yield Message("tool", _text(block.get("content")), call_id=block["tool_use_id"])
    calls = tuple(
        Call(block["name"], json.dumps(block["input"]), block["id"]) for block in blocks if block["type"] == "tool_use"
    )
    text = _text([block for block in blocks if block["type"] == "text"])
    if text or calls:
        yield Message(one["role"], text, calls)


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return "" if content is None else str(content)


def _tool(one: Mapping[str, Any]) -> Tool:
    return Tool(one["name"], one.get("description", ""), one.get("input_schema") or {})


def _head(asked: Conversation) -> dict[str, object]:
    return {
        "id": f"msg_{len(asked.messages)}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_sequence": None,
    }


def _blocks(reply: Reply) -> Iterator[dict[str, object]]:
    if reply.reasoning:
        yield {"type": "thinking", "thinking": reply.reasoning, "signature": "scripted"}
    if reply.text:
        yield {"type": "text", "text": reply.text}
    for call in reply.calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call)}


def _arguments(call: Call) -> object:
    """Return the arguments of a call; on this wire they are values, so text that is no JSON cannot be sent whole."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return {"malformed": call.arguments}


def _block_events(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    empty: dict[str, Any]
    match block["type"]:
        case "text":
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces_of(block["text"])]
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces_of(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case _:
            empty = {**block, "input": {}}
            pieces = pieces_of(json.dumps(block["input"]))
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    yield _event("content_block_start", index=index, content_block=empty)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _event(kind: str, **value: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **value})}\n\n".encode()
