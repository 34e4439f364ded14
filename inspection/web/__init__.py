"""The pages and the API: sessions, threads, and each exchange as a diptych.

A WSGI application on Flask, which mitmproxy brings. It is served by the proxy itself
(`interception/pages.py`) or alone (`python -m inspection`), and works the same in both.
"""
