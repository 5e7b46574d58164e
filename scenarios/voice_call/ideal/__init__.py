"""A second call manager, built another way: a cross-check of the contract.

The contract was written next to one manager. A correct manager of another build must keep it too; where it does not,
one of the two is wrong. This one is a fold over facts (`facts`, `book`), one place that commits them (`desk`), pure
decisions about webhook events (`reports`), and one alarm clock that derives everything owed from the state (`rounds`).

It keeps its facts on an *ideal disk* (`disk`): a commit is atomic, durable at once, and never fails. So it says nothing
about files; deaths between commits, lost answers, redelivery and time are the same as for the other manager.

It shares with the other manager only what its callers see: the provider contract, `Config`, and the errors they catch.
Not built: media streams, session stores, compaction, a greeting repeated after a crash, a provider's clock that is slow.
"""
