"""What the provider is asked for, and what becomes true with its answer. Each errand may be run again after any failure.

Nothing here dials.
"""

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.manager.provider_client import CallStatus, ProviderUnavailable, StatusAnswer


class Errands:
    """One method an errand; each takes the name of its call. All raise ProviderUnavailable."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def find(self, name: str) -> None:
        """What became of a dial? The provider knows it by its key."""
        call = self.desk.call(name)
        assert call.key is not None
        remote = await self.desk.ask(self.desk.client.find_by_key(call.key))
        if self.desk.call(name).must_be_found:
            self.desk.log.info("dial-settled", call=name, found=remote is not None)
            self.desk.commit(self.found(name, remote))

    def found(self, name: str, remote: str | None) -> list[AnyFact]:
        """The facts once the provider has told: its name for the call, or that there never was one."""
        now = self.desk.now()
        if remote is None:
            return [facts.Dialled(call=name, at=now, outcome="refused")]
        known = self.desk.book.calls[name]
        dialled = facts.Dialled(call=name, at=now, outcome="created")
        if known.remote not in (None, remote):  # an event was faster, and the provider has renamed the call since
            return (
                [dialled]
                if remote in known.other_names
                else [facts.AlsoNamed(call=name, at=now, remote=remote), dialled]
            )
        return [facts.Named(call=name, at=now, remote=remote), dialled]

    async def hang_up(self, name: str) -> None:
        """End it there; where it had ended by itself, ask how."""
        desk = self.desk
        remote = desk.call(name).remote
        assert remote is not None
        reason = None
        if not await desk.ask(desk.client.hang_up(remote, key=f"end/{name}")):
            reason = (await desk.ask(desk.client.status(remote))).reason
        if not desk.call(name).gone:
            now = desk.now()
            desk.log.info("hang-up-confirmed", call=name)
            desk.commit([facts.Gone(call=name, at=now, reason=reason, when=now)])

    async def inquire(self, name: str) -> None:
        """Is it still there? The report of its end may be lost."""
        remote = self.desk.call(name).remote
        if remote is None:
            return
        answer = await self.desk.ask(self.desk.client.status(remote))
        call = self.desk.call(name)
        if call.live and call.remote == remote:
            self.desk.commit(self.told(name, answer))

    def told(self, name: str, answer: StatusAnswer) -> list[AnyFact]:
        """The facts in a status."""
        if answer.status not in (CallStatus.ENDED, CallStatus.NOT_FOUND):
            return []
        self.desk.log.info("found-gone", call=name, status=answer.status.value)
        now = self.desk.now()
        return [facts.Gone(call=name, at=now, reason=answer.reason, when=now)]

    async def verify(self, name: str) -> list[AnyFact]:
        """What the provider knows of a call after a restart; nothing where it does not answer."""
        desk = self.desk
        call = desk.call(name)
        news: list[AnyFact] = []
        try:
            remote = call.remote
            if remote is None and call.key is not None:
                remote = await desk.ask(desk.client.find_by_key(call.key))
                news += self.found(name, remote)
            if remote is not None:
                news += self.told(name, await desk.ask(desk.client.status(remote)))
        except ProviderUnavailable as error:
            desk.log.warning("not-verified", call=name, why=str(error))
        return news
