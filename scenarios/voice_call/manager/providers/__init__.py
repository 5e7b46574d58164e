"""Telephone companies as the manager sees them: what their webhooks say, how they sign, what a command looks like.

Each adapter is a `ProviderClient`. It reads and answers webhooks by itself; commands go out through an injected
`Transport` (`commands.py`), so nothing here opens a connection except `http_transport.py`.
"""
