"""OpenAI's responses on the wire: requests to conversations, replies to bodies and events.

Source: OpenAI, "API reference: responses" (items, tools, streaming events, errors), read November 2026.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.endpoint.conversation import Call, Conversation, Message, Refused, Reply, Role, Tool, pieces_of

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
# Tools of an MCP server stand in a namespace; a player sees one name.
_JOINT = "__"


class Responses:
    """The wire of Codex, and of whoever uses OpenAI's newer models."""

    path = "/responses"

    def conversation(self, body: Mapping[str, Any], key: str) -> Conversation:
        """Return the conversation that a request holds. Raises KeyError, TypeError, ValueError where it is none."""
        begun = (Message("system", body["instructions"]),) if body.get("instructions") else ()
        given = body["input"]
        items = [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given
        return Conversation(
            model=body["model"],
            messages=(*begun, *(said for item in items for said in _messages(item))),
            tools=tuple(tool for one in body.get("tools") or () for tool in _tools(one)),
            streams=bool(body.get("stream")),
            key=key,
            most_tokens=body.get("max_output_tokens"),
        )

    def whole(self, reply: Reply, asked: Conversation) -> dict[str, object]:
        """Return the body of an answer that is not streamed."""
        return _response(reply, asked, "incomplete" if reply.finished == "length" else "completed")

    def events(self, reply: Reply, asked: Conversation) -> Iterator[bytes]:
        """Yield the events of an answer that is streamed, the last one included."""
        numbers = itertools.count()

        def event(kind: str, **value: object) -> bytes:
            told = {"type": kind, "sequence_number": next(numbers), **value}
            return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()

        begun = {**_response(reply, asked, "in_progress"), "output": [], "usage": None}
        yield event("response.created", response=begun)
        yield event("response.in_progress", response=begun)
        for index, item in enumerate(_items(reply, asked)):
            yield event("response.output_item.added", output_index=index, item=_empty(item))
            place = {"output_index": index, "item_id": item["id"]}
            if item["type"] == "message":
                part = {**place, "content_index": 0}
                yield event("response.content_part.added", **part, part=_part(""))
                for piece in pieces_of(reply.text):
                    yield event("response.output_text.delta", **part, delta=piece)
                yield event("response.output_text.done", **part, text=reply.text)
                yield event("response.content_part.done", **part, part=_part(reply.text))
            elif item["type"] == "function_call":
                for piece in pieces_of(item["arguments"]):
                    yield event("response.function_call_arguments.delta", **place, delta=piece)
                yield event("response.function_call_arguments.done", **place, arguments=item["arguments"])
            yield event("response.output_item.done", output_index=index, item=item)
        ended = self.whole(reply, asked)
        yield event(f"response.{ended['status']}", response=ended)

    def refusal(self, refused: Refused) -> dict[str, object]:
        """Return the body of an error."""
        kind = refused.kind or _KINDS.get(refused.status, "server_error")
        return {"error": {"message": refused.text, "type": kind, "param": None, "code": refused.kind or None}}


def _messages(item: Mapping[str, Any]) -> Iterator[Message]:
    match item.get("type", "message"):
        case "message":
            role: Role = "system" if item["role"] == "developer" else item["role"]
            yield Message(role, _text(item.get("content")))
        case "function_call":
            name = _JOINT.join(part for part in (item.get("namespace"), item["name"]) if part)
            yield Message("assistant", calls=(Call(name, item["arguments"], item["call_id"]),))
        case "function_call_output":
            yield Message("tool", _text(item["output"]), call_id=item["call_id"])


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return "" if content is None else str(content)


def _tools(one: Mapping[str, Any]) -> Iterator[Tool]:
    if one["type"] == "namespace":
        for inner in one["tools"]:
            yield from (Tool(f"{one['name']}{_JOINT}{t.name}", t.description, t.schema) for t in _tools(inner))
    elif one["type"] == "function":
        yield Tool(one["name"], one.get("description") or "", one.get("parameters") or {})


def _items(reply: Reply, asked: Conversation) -> Iterator[dict[str, Any]]:
    if reply.reasoning:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        yield {"id": "rs_scripted", "type": "reasoning", "summary": summary}
    if reply.text:
        message = {"id": "msg_scripted", "type": "message", "role": "assistant", "status": "completed"}
        yield {**message, "content": [_part(reply.text)]}
    for number, call in enumerate(reply.calls):
        item = {"id": f"fc_scripted_{number}", "type": "function_call", "status": "completed", "call_id": call.id}
        space, joint, name = call.name.rpartition(_JOINT)
        if joint and "." not in call.name:
            yield {**item, "namespace": space, "name": name, "arguments": call.arguments}
        else:
            yield {**item, "name": call.name, "arguments": call.arguments}


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"content": []} if item["type"] == "message" else {}
    arguments = {"arguments": ""} if item["type"] == "function_call" else {}
    return {**item, **content, **arguments, **({"status": "in_progress"} if "status" in item else {})}


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


def _response(reply: Reply, asked: Conversation, status: str) -> dict[str, object]:
    read, said = reply.tokens or (asked.tokens, reply.output_tokens)
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + said,
    }
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "model": asked.model,
        "output": list(_items(reply, asked)),
        "usage": usage,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
