"""Who serves language models: names, addresses, and keys, which come from the environment alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernelwright.core.errors import RequestError, UnknownNameError


@dataclass(frozen=True)
class Provider:
    """One service, or one kind of server on this machine.

    `address` is where its API is unless an environment variable `address_variable` says otherwise, empty where there
    is no default. `key_variable` holds the key; it may be missing only if `needs_key` is false. `asks` says how to find
    out before a run whether a model is there: by the list of models, by the model's own page, or not at all.
    """

    name: str
    address: str
    address_variable: str
    key_variable: str
    needs_key: bool = True
    asks: Literal["list", "page", "key"] = "key"
    speaks: Literal["openai", "anthropic"] = "openai"
    example: str = ""

    @property
    def is_local(self) -> bool:
        """Return whether it runs on the user's own machine unless told otherwise."""
        return self.address.startswith("http://127.0.0.1")


# Sources: alibabacloud.com/help/en/model-studio (first API call; base addresses by region); openrouter.ai/docs;
# docs.vllm.ai (serve); github.com/ggml-org/llama.cpp (tools/server); docs.ollama.com (OpenAI compatibility).
PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_BASE_URL",
            "DASHSCOPE_API_KEY", example="qwen3-max",
        ),
        Provider(
            "qwen-cn", "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_CN_BASE_URL",
            "DASHSCOPE_API_KEY", example="qwen3-max",
        ),
        Provider(
            "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_BASE_URL", "OPENROUTER_API_KEY",
            example="qwen/qwen3-coder",
        ),
        Provider(
            "openai", "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY", asks="page", example="gpt-5",
        ),
        Provider(
            "anthropic", "https://api.anthropic.com", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", asks="page",
            speaks="anthropic", example="claude-sonnet-4-5",
        ),
        Provider(
            "vllm", "http://127.0.0.1:8000/v1", "VLLM_BASE_URL", "VLLM_API_KEY", needs_key=False, asks="list",
            example="Qwen/Qwen3-Coder-30B-A3B-Instruct",
        ),
        Provider(
            "llamacpp", "http://127.0.0.1:8080/v1", "LLAMACPP_BASE_URL", "LLAMACPP_API_KEY", needs_key=False,
            example="qwen3-8b",
        ),
        Provider(
            "ollama", "http://127.0.0.1:11434/v1", "OLLAMA_BASE_URL", "OLLAMA_API_KEY", needs_key=False, asks="list",
            example="qwen3:8b",
        ),
        Provider(
            "openai-compatible", "", "OPENAI_COMPATIBLE_BASE_URL", "OPENAI_COMPATIBLE_API_KEY", needs_key=False,
            example="NAME",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class ModelName:
    """A model of a provider, written `provider:model`."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True)
class Access:
    """How to reach one model; the key is never shown."""

    name: ModelName
    address: str
    key: str = field(repr=False)

    @property
    def provider(self) -> Provider:
        """Return who serves it."""
        return PROVIDERS[self.name.provider]


def parse_models(text: str) -> tuple[ModelName, ...]:
    """Return the models of a comma-separated list. Raises RequestError, UnknownNameError for providers."""
    names = tuple(_parse_model(part.strip()) for part in text.split(","))
    if len(set(names)) != len(names):
        raise RequestError(f"--model must name each model once, got '{text}'")
    return names


def _parse_model(text: str) -> ModelName:
    provider, colon, model = text.partition(":")
    if not colon or not model.strip():
        raise RequestError(f"--model must hold names like provider:model, such as qwen:qwen3-max, got '{text}'")
    if provider not in PROVIDERS:
        raise UnknownNameError("provider", provider, PROVIDERS)
    return ModelName(provider, model.strip())


def access_to(name: ModelName, environment: Mapping[str, str]) -> Access:
    """Return how to reach a model with what the environment holds. Raises RequestError where a key or address lacks."""
    provider = PROVIDERS[name.provider]
    address = environment.get(provider.address_variable, "").strip() or provider.address
    if not address:
        raise RequestError(
            f"model '{name}' needs an address. Set {provider.address_variable}, such as http://127.0.0.1:8000/v1"
        )
    if not address.startswith(("http://", "https://")):
        raise RequestError(f"{provider.address_variable} must begin with http:// or https://, got '{address[:80]}'")
    key = environment.get(provider.key_variable, "").strip()
    if provider.needs_key and not key:
        raise RequestError(f"model '{name}' needs a key. Set the environment variable {provider.key_variable}")
    return Access(name, address.rstrip("/"), key)
