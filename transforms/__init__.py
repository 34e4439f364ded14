"""The providers Diptych can send a call to, by the name a route uses."""

from importlib import import_module

from transforms.contract import Provider

_MODULES = (
    "anthropic",
    "azure",
    "bedrock",
    "cerebras",
    "cohere",
    "compatible",
    "dashscope",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "mistral",
    "moonshot",
    "ollama",
    "openai",
    "openrouter",
    "perplexity",
    "qwen",
    "responses",
    "together",
    "vertex",
    "xai",
    "zai",
)

PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (import_module(f"transforms.{name}").PROVIDER for name in _MODULES)
}
