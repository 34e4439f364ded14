"""Between mitmproxy's flows and the transforms: one call in flight, from hook to hook."""
