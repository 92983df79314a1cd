"""The models that a server offers, for messages about an unknown model."""

import asyncio

import openai

from lion.chat.client import open_client
from lion.chat.source import source_of
from lion.params import Params, Role
from lion.support.errors import ChatError
from lion.support.text import brief

_TIMEOUT = 10.0  # seconds


def offered_models(params: Params, role: Role) -> list[str]:
    """Return the model names that the server of `role` lists; empty if it does not list them."""

    async def listed() -> list[str]:
        client = open_client(
            source_of(params, role), params.endpoint_of(role), params.oracle, stage="models"
        )
        async with client:
            page = await client.models.list(timeout=_TIMEOUT)
            return [brief(str(model.id), 60) for model in page.data]

    try:
        return asyncio.run(listed())
    except (openai.OpenAIError, ChatError, ValueError, TypeError, AttributeError):
        return []
