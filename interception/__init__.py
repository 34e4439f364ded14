"""Between mitmproxy's flows and the transforms: one call in flight, from hook to hook.

Where to look:

- one call, from its request to its end: `call_in_flight`, `routed_call`, `bare_call`
- what the client sent: `messages`, `decoding`, `reading`
- what the provider is sent: `recollection`, `chats`, `attachments`, `drafting`
- how its answer comes back: `streams`, `silence`
- what Diptych asks of other hosts on its own: `asking`, `outgoing`
- when our own code fails, or the addon is gone: `border`, `guard`
- where mitmproxy's own steps are replaced: `wrapping`, `failures`, `http1`, `named_host`,
  `body_size`, `dispatch`, `message_types`, `printing`; and its sockets: `listening`
- what belongs to no call: `options`, and the `pages` that the proxy answers with itself
"""
