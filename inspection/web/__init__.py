"""The pages and the API: sessions, threads, and each exchange as a diptych.

A WSGI application on Flask, which mitmproxy brings. It is served by the proxy itself
(`interception/pages.py`) or alone (`python -m inspection`), and works the same in both.

Where to look:

- the application, and who may look: `app`, `access`
- what is asked for: `filters`; what is read for it: `record`, `queries`, `stats`
- what is answered: `api`, `pages`, and what those draw: `threads`, `previews`, `pairing`, `charts`
"""
