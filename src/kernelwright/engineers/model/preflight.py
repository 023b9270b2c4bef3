"""Asks providers before a run whether key and model are right: a wrong one should cost nothing, not even a run."""

import json
import urllib.error
import urllib.request
from urllib.parse import quote

from kernelwright.core.errors import RequestError, UnknownNameError
from kernelwright.engineers.model.providers import Access

PATIENCE_S = 10.0
_STATUS_KEY = (401, 403)


def check_access(access: Access) -> str:
    """Return an empty text, or a line on why it could not be found out; then the first request will tell.

    Raises RequestError for a key that is refused and a server on this machine that does not run, UnknownNameError
    for a model that a server does not have.
    """
    provider = access.provider
    base = f"{access.address}/v1" if provider.speaks == "anthropic" else access.address
    page = f"/models/{quote(access.name.model, safe='')}" if provider.asks == "page" else "/models"
    request = urllib.request.Request(base + page, headers=_headers(access))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            listed = _names(answer.read(4_000_000))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _STATUS_KEY:
            raise RequestError(
                f"model '{access.name}' must be asked with a key that its provider takes, status {error.code} says it "
                f"does not. Set {provider.key_variable}"
            ) from None
        if error.code == 404 and provider.asks == "page":
            raise RequestError(
                f"model '{access.name}' must be known to its provider, it is not. Change --model"
            ) from None
        return f"{access.name}: the provider does not say what models it has (status {error.code})"
    except (OSError, ValueError) as error:
        if provider.is_local:
            raise RequestError(
                f"model '{access.name}' needs a server at {access.address}, none answers. Start it, or set "
                f"{provider.address_variable}"
            ) from None
        return f"{access.name}: the provider cannot be reached now ({getattr(error, 'reason', error)})"
    _require_known(access, listed)
    return ""


def _require_known(access: Access, listed: list[str]) -> None:
    if access.provider.asks != "list" or not listed:
        return
    # Ollama lists a model without a tag under its newest.
    if access.name.model not in listed and f"{access.name.model}:latest" not in listed:
        raise UnknownNameError(f"model of {access.name.provider}", access.name.model, listed)


def _headers(access: Access) -> dict[str, str]:
    if access.provider.speaks == "anthropic":
        return {"x-api-key": access.key, "anthropic-version": "2023-06-01"}
    return {"Authorization": f"Bearer {access.key}"} if access.key else {}


def _names(content: bytes) -> list[str]:
    try:
        value = json.loads(content)
        return [str(one["id"]) for one in value["data"]]
    except (ValueError, KeyError, TypeError):
        return []
