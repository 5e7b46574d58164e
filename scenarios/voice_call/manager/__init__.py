"""A reference call manager: phone calls driven by at-least-once webhooks, kept in an append-only log.

It is a program of its own: it knows nothing of the harness that tests it. The public face is
`CallManager` (`call_manager.py`), `Config`, `Parts` and the provider contract in `provider_client.py`.
"""
