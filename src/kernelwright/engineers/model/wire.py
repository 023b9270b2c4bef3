"""Speaks to a provider through pydantic-ai: the only module that knows that library."""

import asyncio
import importlib.util
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from kernelwright.core.errors import RequestError
from kernelwright.engineers.model.conversation import Call, Conversation, Said, Turn
from kernelwright.engineers.model.keys import KeyFilter
from kernelwright.engineers.model.prices import Usage
from kernelwright.engineers.model.providers import Access

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model

# Seconds without a byte after which a request is given up, and seconds for a whole reply.
SILENCE_S, WHOLE_S = 600.0, 3600.0
NO_KEY = "none"

# rate, server, connection, timeout: the same request may be answered later. window: it is too long for the model.
# refused: this request never is. key, name, credit: no request is until a person does something.
Kind = Literal["rate", "server", "connection", "timeout", "window", "refused", "key", "name", "credit"]
PASSING: frozenset[Kind] = frozenset({"rate", "server", "connection", "timeout"})


class ProviderFault(Exception):
    """A request that was not answered; the text is one line without keys.

    `usage` is about what the provider may count all the same, when it had begun to answer.
    """

    def __init__(self, kind: Kind, text: str, retry_after_s: float | None = None, usage: Usage | None = None) -> None:
        super().__init__(text)
        self.kind, self.retry_after_s, self.usage = kind, retry_after_s, usage


def require_library() -> None:
    """Raise RequestError unless what this engineer needs is installed."""
    for module, package in (("pydantic_ai", "pydantic-ai-slim"), ("openai", "openai"), ("anthropic", "anthropic")):
        if importlib.util.find_spec(module) is None:
            raise RequestError(
                f"engineer 'model' needs package {package}, which is not installed. "
                "Install it: pip install 'kernelwright[llm]'"
            )


class Talker:
    """One model at one address, asked by one thread."""

    def __init__(self, access: Access, keys: KeyFilter, silence_s: float = SILENCE_S, whole_s: float = WHOLE_S) -> None:
        self.name = access.name
        self._access, self._keys, self._silence_s, self._whole_s = access, keys, silence_s, whole_s
        self._runner: asyncio.Runner | None = None
        self._model: Model[Any] | None = None

    def ask(self, conversation: Conversation, most_tokens: int) -> Said:
        """Return the model's next reply, of at most `most_tokens` tokens. Raises ProviderFault."""
        if self._runner is None or self._model is None:
            self._runner, self._model = asyncio.Runner(), _model_of(self._access)
        return self._runner.run(self._asked(self._model, conversation, most_tokens))

    def close(self) -> None:
        """End connections; safe to call twice."""
        if self._runner is not None:
            if self._model is not None:
                self._runner.run(_closed(self._model))
            self._runner.close()
        self._runner = self._model = None

    async def _asked(self, model: "Model[Any]", conversation: Conversation, most_tokens: int) -> Said:
        from pydantic_ai.direct import model_request_stream  # noqa: PLC0415  # an extra
        from pydantic_ai.exceptions import AgentRunError, UserError  # noqa: PLC0415
        from pydantic_ai.models import ModelRequestParameters  # noqa: PLC0415
        from pydantic_ai.tools import ToolDefinition  # noqa: PLC0415

        tools = [
            ToolDefinition(name=tool.name, parameters_json_schema=tool.schema, description=tool.description)
            for tool in conversation.tools
        ]
        stream: Any = None
        try:
            async with (
                asyncio.timeout(self._whole_s),
                model_request_stream(
                    model,
                    messages_of(conversation),
                    model_settings=self._settings(most_tokens),
                    model_request_parameters=ModelRequestParameters(function_tools=tools, allow_text_output=True),
                ) as stream,
            ):
                async for _ in stream:
                    pass
                return said_of(stream.get(), conversation.tokens)
        except TimeoutError:
            raise ProviderFault("timeout", f"{self.name}: no whole reply in {self._whole_s:.0f} s") from None
        except (AgentRunError, UserError) as error:
            raise self._fault(error, stream, conversation) from None
        except (OSError, ValueError, RuntimeError) as error:
            # What a broken answer makes of a parser is as much the provider's as a broken connection.
            raise ProviderFault("server", self._line(f"{type(error).__name__}: {error}")) from None

    def _settings(self, most_tokens: int) -> Any:
        settings: dict[str, object] = {"max_tokens": most_tokens, "timeout": self._silence_s, "max_retries": 0}
        if self._access.provider.speaks == "anthropic":
            settings |= {"anthropic_cache": True, "anthropic_cache_tool_definitions": True}
        return settings

    def _fault(self, error: Exception, stream: Any, conversation: Conversation) -> ProviderFault:
        kind = kind_of(error)
        begun = _begun(stream)
        usage = Usage(conversation.tokens, begun) if begun and kind in PASSING else None
        return ProviderFault(kind, self._line(_words(error)), getattr(error, "retry_after", None), usage)

    def _line(self, text: str) -> str:
        return f"{self.name}: " + " ".join(self._keys.clean(text).split())[:300]


def kind_of(error: Exception) -> Kind:
    """Return what an error of the library means for whoever waits for an answer."""
    from pydantic_ai import exceptions as known  # noqa: PLC0415  # an extra

    kinds: tuple[tuple[type[Exception], Kind], ...] = (
        (known.ModelContextWindowExceededError, "window"),
        (known.ModelAuthenticationError, "key"),
        (known.ModelNotFoundError, "name"),
        (known.ModelQuotaExceededError, "credit"),
        (known.ModelRateLimitError, "rate"),
        (known.ModelTimeoutError, "timeout"),
        (known.ModelRequestTimeout, "timeout"),
        (known.ModelConnectionError, "connection"),
        (known.ModelUnavailableError, "server"),
        (known.ModelServerError, "server"),
        (known.ModelRequestRejectedError, "refused"),
    )
    for kind_of_error, kind in kinds:
        if isinstance(error, kind_of_error):
            return kind
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 409, 425, 429):
        return "refused"
    # Answers that nobody can read (UnexpectedModelBehavior) are like a server that fails.
    return "refused" if isinstance(error, known.UserError) else "server"


def messages_of(conversation: Conversation) -> "list[ModelMessage]":
    """Return the conversation as the library's messages."""
    from pydantic_ai.messages import ModelRequest, SystemPromptPart, ToolReturnPart, UserPromptPart  # noqa: PLC0415

    first = ModelRequest([SystemPromptPart(conversation.system), UserPromptPart(conversation.opening)])
    messages: list[ModelMessage] = [first]
    for turn in conversation.turns:
        messages.append(_response_of(turn))
        parts: list[Any] = [ToolReturnPart(a.call.tool, a.text, a.call.id) for a in turn.answers]
        if turn.words or not parts:
            parts.append(UserPromptPart(turn.words or "Go on."))
        messages.append(ModelRequest(parts))
    return messages


def _response_of(turn: Turn) -> "ModelResponse":
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart  # noqa: PLC0415  # an extra

    if isinstance(turn.said.raw, ModelResponse):
        return turn.said.raw
    calls = [ToolCallPart(call.tool, call.arguments, call.id) for call in turn.said.calls]
    # Providers refuse messages of an assistant that hold nothing.
    text = turn.said.text or ("" if calls else "(nothing)")
    return ModelResponse([*([TextPart(text)] if text else []), *calls])


def said_of(response: "ModelResponse", read: int) -> Said:
    """Return what a reply says; `read` stands for tokens of input that the provider did not count."""
    from pydantic_ai.messages import TextPart, ThinkingPart, ToolCallPart  # noqa: PLC0415  # an extra

    parts = response.parts
    text = "".join(part.content for part in parts if isinstance(part, TextPart))
    reasoning = "".join(part.content for part in parts if isinstance(part, ThinkingPart))
    calls = _with_ids([(p.tool_name, _arguments(p.args), p.tool_call_id) for p in parts if isinstance(p, ToolCallPart)])
    told, usage = Said(text, calls, reasoning), response.usage
    counted = Usage(
        usage.input_tokens or read,
        usage.output_tokens or told.tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
    )
    finish = response.finish_reason or ("tool_call" if calls else "stop")
    # Signatures of thoughts must go back as they came; whatever else is not needed is not sent again.
    signed = any(getattr(p, "signature", None) or getattr(p, "provider_details", None) for p in parts)
    same_ids = [call.id for call in calls] == [p.tool_call_id for p in parts if isinstance(p, ToolCallPart)]
    return Said(text, calls, reasoning, finish, counted, response if signed and same_ids else None)


def _arguments(given: object) -> str:
    """Return arguments as they came: the library's own reading of them would hide what is wrong."""
    return given if isinstance(given, str) else json.dumps(given or {})


def _with_ids(calls: Sequence[tuple[str, str, str]]) -> tuple[Call, ...]:
    """Return calls with ids that differ: some servers send none, or the same for all."""
    seen: set[str] = set()
    made = []
    for at, (tool, arguments, given) in enumerate(calls):
        name = given if given and given not in seen else f"call_{at}_{len(arguments)}"
        seen.add(name)
        made.append(Call(name, tool, arguments))
    return tuple(made)


def _begun(stream: Any) -> int:
    """Return about how many tokens of a reply had come before it broke off."""
    try:
        return said_of(stream.get(), 0).usage.said if stream is not None and stream.get().parts else 0
    except Exception:  # half a reply may be anything
        return 0


async def _closed(model: Any) -> None:
    await model.client.close()


def _words(error: Exception) -> str:
    """Return what an error says: the provider's own words where it gave any."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = inner.get("message") if isinstance(inner, dict) else inner
        body = text or json.dumps(body, default=str)
    cause = f" ({error.__cause__})" if error.__cause__ is not None and status is None else ""
    return f"status {status}: {body}" if status is not None else f"{error}{cause}"


def _model_of(access: Access) -> "Model[Any]":
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415  # an extra

    if access.provider.speaks == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

        own = AnthropicProvider(api_key=access.key, base_url=access.address)
        return AnthropicModel(access.name.model, provider=own)
    return OpenAIChatModel(access.name.model, provider=_openai_provider(access))


def _openai_provider(access: Access) -> Any:
    """Return the library's provider: it knows what each service makes of schemas, roles and reasoning."""
    given: dict[str, Any] = {"base_url": access.address, "api_key": access.key or NO_KEY}
    name = access.name.provider
    if name in ("qwen", "qwen-cn"):
        from pydantic_ai.providers.alibaba import AlibabaProvider  # noqa: PLC0415  # an extra

        return AlibabaProvider(**given)
    if name == "openai":
        from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

        return OpenAIProvider(**given)
    if name == "vllm":
        from pydantic_ai.providers.vllm import VLLMProvider  # noqa: PLC0415

        return VLLMProvider(**given)
    if name == "ollama":
        from pydantic_ai.providers.ollama import OllamaProvider  # noqa: PLC0415

        return OllamaProvider(**given)
    if name == "openrouter":
        from pydantic_ai.providers.openrouter import OpenRouterProvider  # noqa: PLC0415

        return OpenRouterProvider(**_routed(access))
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

    return OpenAICompatibleProvider(name, **given)


def _routed(access: Access) -> dict[str, Any]:
    """Return what OpenRouter's provider takes: it knows one address only, another one needs a client of its own."""
    from openai import AsyncOpenAI  # noqa: PLC0415  # an extra

    return {"openai_client": AsyncOpenAI(base_url=access.address, api_key=access.key)}
