"""Any host that speaks OpenAI chat completions; the route names its base URL.

As with the openai SDK, the base URL holds everything before `/chat/completions`, such as
`http://127.0.0.1:8000/v1`. Local servers need no key.
"""

from transforms.openai import build_compatible_request, openai_format

PROVIDER = openai_format(
    "compatible",
    base_url="",
    key_variable=None,
    build_request=build_compatible_request,
    key_required=False,
)
