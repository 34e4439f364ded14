"""Any host that speaks OpenAI chat completions; the route names its base URL.

As with the openai SDK, the base URL holds everything before `/chat/completions`, such as
`http://127.0.0.1:8000/v1`. Local servers need no key.

Of LM Studio, which listens on port 1234 unless told otherwise, more is known: its `tool_choice` is
a word, and it holds an answer to a schema, but not to JSON alone.

Source: lmstudio-ai/lmstudio-bug-tracker#670 and #189.
"""

from functools import partial

from transforms.openai import build_compatible_request, openai_format
from transforms.openai.quirks import Quirks

_LM_STUDIO = Quirks(named_choice=False, json_object=False)

PROVIDER = openai_format(
    "compatible",
    base_url="",
    key_variable=None,
    build_request=partial(build_compatible_request, known=((r":1234(/|$)", _LM_STUDIO),)),
    key_required=False,
)
