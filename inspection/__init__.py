"""What people look at: comments, content views and the list of flows; the pages and the API.

Where to look:

- in mitmweb, mitmproxy and mitmdump: `contentviews`, `flow_list`, `summary`
- a body of any format as a conversation: `conversation`, `messages`, `parts`, `members`, `media`,
  `folding`, `plain_text`
- in a browser, and for programs: `web`; without a proxy by the command line in `__main__`
- who is on this machine: `loopback`
"""
