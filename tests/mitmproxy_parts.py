"""Parts of mitmproxy that tests use directly, and what of ours imports such.

Imported here once, because its dependencies warn about each other while they are imported, and
warnings are errors in tests.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mitmproxy import contentviews, ctx, options
    from mitmproxy.addons import dumper
    from mitmproxy.addons.view import View
    from mitmproxy.test import taddons, tflow
    from mitmproxy.tools.web.webaddons import WebAddon

    from interception import printing

Dumper = dumper.Dumper

__all__ = [
    "Dumper",
    "View",
    "WebAddon",
    "contentviews",
    "ctx",
    "dumper",
    "options",
    "printing",
    "taddons",
    "tflow",
]
