import asyncio
import contextlib
import datetime
import gc
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from time import monotonic as imported_monotonic
from time import sleep as imported_sleep
from time import time as imported_time
from typing import Any

import pytest

from harness.clock import START, LoopStalled, NotVirtual, SubjectSpins, VirtualClock, VirtualLoop, machine_seconds


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    clock = VirtualClock.shared()
    with clock:
        clock.set(START)
        yield clock


@pytest.fixture
def loop(clock: VirtualClock) -> Iterator[VirtualLoop]:
    loop = VirtualLoop(clock)
    yield loop
    loop.kill()


class Died(BaseException):
    """Stands for the death of the process."""


# --- wall clock -------------------------------------------------------------------------------------------------------


def test_all_ways_to_ask_for_the_time_agree_with_the_clock(clock: VirtualClock) -> None:
    clock.set(START + 12.345678)
    assert time.time() == clock.now() == time.monotonic() == time.perf_counter() == imported_time()
    assert imported_monotonic() == clock.now()
    assert time.time_ns() // 1000 == time.monotonic_ns() // 1000 == 1_704_067_212_345_678
    assert time.clock_gettime(time.CLOCK_REALTIME) == time.clock_gettime(time.CLOCK_MONOTONIC) == clock.now()
    assert time.clock_gettime_ns(time.CLOCK_REALTIME) == 1_704_067_212_345_678_000
    assert datetime.datetime.now().isoformat() == "2024-01-01T00:00:12.345678"
    assert datetime.datetime.now(datetime.UTC).timestamp() == clock.now()
    assert datetime.date.today().isoformat() == "2024-01-01"
    assert time.ctime() == time.asctime() == "Mon Jan  1 00:00:12 2024"
    assert time.localtime().tm_hour == time.gmtime().tm_hour == 0


def test_the_zone_of_the_machine_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    clock = VirtualClock.shared()
    with clock:
        clock.set(START)
        assert time.localtime(START).tm_hour == 0
        assert time.strftime("%H") == "00"
    assert time.localtime(START).tm_hour == 9
    monkeypatch.undo()
    time.tzset()


def test_sleep_passes_virtual_time_and_returns_at_once(clock: VirtualClock) -> None:
    time.sleep(3600)
    imported_sleep(60)
    assert time.time() == START + 3660


def test_a_new_case_may_begin_in_the_past(clock: VirtualClock) -> None:
    clock.advance(10)
    clock.set(START - 5)
    assert time.time() == START - 5


def test_time_moves_at_least_a_microsecond_when_it_moves(clock: VirtualClock) -> None:
    time.sleep(1e-9)
    assert clock.now() > START
    with pytest.raises(ValueError, match="seconds is -1"):
        clock.advance(-1)


def test_after_leaving_everything_is_genuine_again() -> None:
    before = (time.time, time.sleep, time.monotonic, time.clock_gettime, time.ctime, datetime.datetime)
    clock = VirtualClock.shared()
    with clock, clock:
        assert clock.frozen
    assert not clock.frozen
    assert before == (time.time, time.sleep, time.monotonic, time.clock_gettime, time.ctime, datetime.datetime)
    assert imported_sleep is time.sleep
    assert time.time() > START + 86_400


def test_leaving_an_inner_block_keeps_the_outer_frozen(clock: VirtualClock) -> None:
    with clock:
        pass
    assert time.time() == START


def test_another_thread_really_sleeps(clock: VirtualClock) -> None:
    thread = threading.Thread(target=lambda: time.sleep(0.001))
    thread.start()
    thread.join()
    assert clock.now() == START


def test_the_test_machinery_keeps_real_time(clock: VirtualClock) -> None:
    asked = "import time\nanswer = time.perf_counter(), time.monotonic()"
    theirs: dict[str, Any] = {"__name__": "hypothesis.internal.engine"}
    mine: dict[str, Any] = {"__name__": "hypothetical"}
    exec(asked, theirs)
    exec(asked, mine)
    assert START not in theirs["answer"]
    assert mine["answer"] == (START, START)


def test_the_harness_can_still_read_the_machines_clock(clock: VirtualClock) -> None:
    began = machine_seconds()
    time.sleep(3600)
    assert 0 <= machine_seconds() - began < 60


def test_a_subject_named_like_a_machinery_module_is_frozen(clock: VirtualClock) -> None:
    for name in ("git_store", "queue_store", "threading_tools", "django.utils"):
        names: dict[str, Any] = {"__name__": name}
        exec("import time\nanswer = time.time()", names)
        assert names["answer"] == START


@pytest.mark.parametrize("delay", [0.1, 0.3, 1e-7, 1 / 3, 299.9999999])
def test_the_clock_never_stops_short_of_a_deadline(delay: float) -> None:
    clock = VirtualClock(START + 0.123457)
    for _ in range(200):
        due = clock.now() + delay
        clock.advance_to(due)
        assert due <= clock.now() < due + 2e-6


# --- virtual time -----------------------------------------------------------------------------------------------------


def test_sleeping_an_hour_takes_an_hour_of_virtual_time_only(loop: VirtualLoop) -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return time.time() - START

    real = time.process_time()
    assert loop.run_until_complete(main()) == 3600
    assert time.process_time() - real < 1


def test_the_building_blocks_of_asyncio_work(loop: VirtualLoop) -> None:
    async def tick(queue: asyncio.Queue[float]) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            await queue.put(time.time() - START)

    async def main() -> list[float]:
        queue: asyncio.Queue[float] = asyncio.Queue(maxsize=1)
        event = asyncio.Event()
        seen = []
        async with asyncio.TaskGroup() as group:
            group.create_task(tick(queue))
            asyncio.get_running_loop().call_later(2.5, event.set)
            for _ in range(3):
                seen.append(await queue.get())
        await event.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.sleep(100)
        assert await asyncio.gather(asyncio.sleep(1, "a"), asyncio.sleep(2, "b")) == ["a", "b"]
        lock = asyncio.Lock()
        async with lock:
            pass
        return [*seen, time.time() - START]

    assert loop.run_until_complete(main()) == [1, 2, 3, 17]


def test_a_runner_can_drive_it(clock: VirtualClock) -> None:
    async def main() -> float:
        await asyncio.sleep(1)
        return time.time()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        assert runner.run(main()) == START + 1


def test_a_blocking_sleep_makes_timers_overdue_in_their_order(loop: VirtualLoop) -> None:
    fired: list[tuple[str, float]] = []

    async def main() -> None:
        loop.call_later(2, lambda: fired.append(("second", time.time() - START)))
        loop.call_later(1, lambda: fired.append(("first", time.time() - START)))
        time.sleep(10)
        await asyncio.sleep(0.5)

    loop.run_until_complete(main())
    assert fired == [("first", 10), ("second", 10)]


def test_a_subject_that_checks_its_deadline_on_waking_does_not_rearm(loop: VirtualLoop) -> None:
    async def main() -> int:
        wakes = 0
        for step in range(1, 200):
            due = time.time() + step / 7
            while (left := due - time.time()) > 0:
                await asyncio.sleep(left)
                wakes += 1
        return wakes

    assert loop.run_until_complete(main()) == 199


def test_run_for_ends_exactly_there_and_run_until_idle_at_the_last_event(loop: VirtualLoop) -> None:
    fired: list[float] = []
    for delay in (1, 5, 6):
        loop.call_later(delay, lambda: fired.append(time.time() - START))
    loop.run_until_idle(START + 5)
    assert (fired, time.time()) == ([1, 5], START + 5)
    loop.run_for(0.5)
    assert (fired, time.time()) == ([1, 5], START + 5.5)
    loop.run_until_idle(START + 100)
    assert (fired, time.time()) == ([1, 5, 6], START + 6)


def test_many_cancelled_timers_are_dropped(loop: VirtualLoop) -> None:
    async def main() -> None:
        for _ in range(1000):
            loop.call_later(3600, print).cancel()
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert len(loop._scheduled) < 200
    assert time.time() == START + 1


# --- order ------------------------------------------------------------------------------------------------------------


def order_of(seed: int, main: Any) -> list[Any]:
    seen: list[Any] = []
    loop = VirtualLoop(VirtualClock(), seed=seed)
    try:
        loop.run_until_complete(main(seen.append))
    finally:
        loop.kill()
    return seen


async def three_tasks(see: Any) -> None:
    async def one(name: str) -> None:
        see(name)
        await asyncio.sleep(1)
        see(name)

    await asyncio.gather(*(one(name) for name in "abc"))


def test_the_order_of_tasks_is_drawn_from_the_seed() -> None:
    assert {"".join(order_of(seed, three_tasks)[:3]) for seed in range(60)} == {
        "abc",
        "acb",
        "bac",
        "bca",
        "cab",
        "cba",
    }
    assert len({"".join(order_of(seed, three_tasks)) for seed in range(200)}) == 36
    assert order_of(7, three_tasks) == order_of(7, three_tasks)


def test_plain_callbacks_keep_their_order() -> None:
    async def main(see: Any) -> None:
        for number in range(5):
            asyncio.get_running_loop().call_soon(see, number)
        await asyncio.sleep(1)

    assert all(order_of(seed, main) == [0, 1, 2, 3, 4] for seed in range(50))


def test_callbacks_of_one_future_keep_their_order_with_the_waiting_task() -> None:
    async def main(see: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: see("first"))

        async def wait() -> None:
            await future
            see("task")

        task = asyncio.create_task(wait())
        await asyncio.sleep(1)
        future.add_done_callback(lambda _: see("last"))
        future.set_result(None)
        await task
        await asyncio.sleep(1)

    assert all(order_of(seed, main) == ["first", "task", "last"] for seed in range(50))


def test_a_task_that_yields_goes_on_after_what_it_scheduled() -> None:
    async def main(see: Any) -> None:
        async def child() -> None:
            try:
                see("child starts")
                await asyncio.Event().wait()
            finally:
                see("child cancelled")

        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        see("yielded once")
        task.cancel()
        await asyncio.sleep(0)
        see("yielded twice")

    wanted = ["child starts", "yielded once", "child cancelled", "yielded twice"]
    assert all(order_of(seed, main) == wanted for seed in range(50))


def test_timers_of_one_instant_fire_in_a_drawn_order() -> None:
    async def main(see: Any) -> None:
        loop = asyncio.get_running_loop()
        for name in "ab":
            loop.call_at(START + 5, see, name)
        await asyncio.sleep(10)

    assert {"".join(order_of(seed, main)) for seed in range(30)} == {"ab", "ba"}


def test_task_names_do_not_depend_on_what_ran_before() -> None:
    async def main(see: Any) -> None:
        see(asyncio.create_task(asyncio.sleep(0)).get_name())
        see(asyncio.create_task(asyncio.sleep(0), name="mine").get_name())
        await asyncio.sleep(1)

    assert order_of(0, main) == order_of(1, main) == ["task-2", "mine"]


# --- ends -------------------------------------------------------------------------------------------------------------


def test_waiting_for_what_never_comes_names_the_tasks(loop: VirtualLoop) -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(stuck(), name="the stuck one")

    with pytest.raises(LoopStalled, match=r"the stuck one \(.*stuck at .*:\d+\)"):
        loop.run_until_complete(main())


def test_a_periodic_timer_does_not_hide_a_stall(clock: VirtualClock) -> None:
    loop = VirtualLoop(clock, patience=3600)

    async def ticking() -> None:
        while True:
            await asyncio.sleep(30)

    async def main() -> None:
        ticker = asyncio.create_task(ticking())
        await asyncio.Event().wait()
        ticker.cancel()

    with pytest.raises(LoopStalled, match="3600 virtual seconds"):
        loop.run_until_complete(main())
    loop.kill()


def test_spinning_without_time_is_noticed(clock: VirtualClock) -> None:
    loop = VirtualLoop(clock, step_limit=1000)

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(SubjectSpins, match="1000 callbacks"):
        loop.run_until_complete(main())
    loop.kill()


def test_a_death_in_a_task_leaves_at_once(loop: VirtualLoop) -> None:
    after: list[str] = []

    async def dies() -> None:
        await asyncio.sleep(1)
        raise Died

    async def parent() -> None:
        try:
            await asyncio.create_task(dies())
        finally:
            after.append("parent went on")

    with pytest.raises(Died):
        loop.run_until_complete(parent())
    loop.kill()
    assert after == []


def test_a_death_in_a_callback_leaves_at_once_and_what_was_ready_is_still_due(loop: VirtualLoop) -> None:
    ran: list[str] = []

    def die() -> None:
        raise Died

    loop.call_soon(die)
    loop.call_soon(ran.append, "later")
    with pytest.raises(Died):
        loop.run_until_idle(START)
    assert ran == []
    loop.run_until_idle(START)
    assert ran == ["later"]


def test_errors_of_background_tasks_are_collected(loop: VirtualLoop) -> None:
    async def fails(number: int) -> None:
        raise ValueError(number)

    async def main() -> None:
        background = asyncio.create_task(fails(1))
        with pytest.raises(ValueError, match="2"):
            await asyncio.create_task(fails(2))
        del background

    def callback() -> None:
        raise KeyError("callback")

    loop.call_soon(callback)
    loop.run_until_complete(main())
    assert [repr(error) for error in loop.unhandled] == ["ValueError(1)", "KeyError('callback')"]


def test_the_subjects_own_exception_handler_is_respected(loop: VirtualLoop) -> None:
    seen: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    loop.call_soon(lambda: 1 / 0)
    loop.run_until_idle(START)
    assert [type(error) for error in seen] == [ZeroDivisionError]
    assert loop.unhandled == []


# --- death ------------------------------------------------------------------------------------------------------------


class Guard:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.log.append("with block left")

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *error: object) -> None:
        self.log.append("async with block left")


def guarded(log: list[str]) -> Coroutine[Any, Any, None]:
    async def inner() -> None:
        with Guard(log):
            async with Guard(log):
                try:
                    await asyncio.sleep(10)
                except BaseException:
                    log.append("except ran")
                    raise
                finally:
                    log.append("inner finally ran")

    async def outer() -> None:
        try:
            await inner()
        finally:
            log.append("outer finally ran")

    return outer()


def one_line(log: list[str]) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        try: await asyncio.sleep(10)  # fmt: skip  # noqa: E701
        finally: log.append("finally on one line ran")  # fmt: skip  # noqa: E701

    return main()


def swallowing(log: list[str]) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        while True:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(10)
            log.append("went on")

    return main()


def grouped(log: list[str]) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        async with asyncio.TaskGroup() as group, asyncio.timeout(100):
            group.create_task(guarded(log))
            await guarded(log)

    return main()


def generating(log: list[str]) -> Coroutine[Any, Any, None]:
    async def numbers() -> AsyncIterator[int]:
        try:
            await asyncio.sleep(10)
            yield 1
        finally:
            log.append("generator finally ran")

    async def main() -> None:
        async for _ in numbers():
            pass

    return main()


@pytest.mark.parametrize("subject", [guarded, one_line, swallowing, grouped, generating])
def test_a_killed_process_runs_nothing_more(
    clock: VirtualClock,
    subject: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    log: list[str] = []
    loop = VirtualLoop(clock)
    loop.create_task(subject(log))
    loop.run_for(5)
    loop.kill()
    loop.kill()
    assert loop.is_closed()
    del loop
    gc.collect()
    assert log == []
    assert capsys.readouterr() == ("", "")
    assert caplog.records == []
    assert list(recwarn) == []


def test_killing_leaves_no_noise_of_tasks_that_never_began_or_failed_unseen(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    async def fails() -> None:
        raise ValueError

    loop = VirtualLoop(clock)
    loop.create_task(fails())
    loop.create_future().set_exception(ValueError())
    loop.run_for(1)
    loop.create_task(fails())
    loop.kill()
    del loop
    gc.collect()
    assert caplog.records == []
    assert list(recwarn) == []


def test_a_killed_loop_leaves_the_code_of_its_tasks_usable(clock: VirtualClock) -> None:
    for _ in range(3):
        log: list[str] = []
        loop = VirtualLoop(clock)
        task = loop.create_task(guarded(log))
        loop.run_until_complete(task)
        assert log == [
            "inner finally ran",
            "async with block left",
            "with block left",
            "outer finally ran",
        ]
        loop.create_task(guarded([]))
        loop.run_for(1)
        loop.kill()


# --- outside of this world --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda loop: asyncio.to_thread(print),
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.add_reader(0, print),
        lambda loop: asyncio.open_connection("localhost", 1),
        lambda loop: asyncio.start_server(lambda reader, writer: None, "localhost", 1),
        lambda loop: asyncio.create_subprocess_exec("true"),
        lambda loop: loop.getaddrinfo("localhost", 1),
    ],
)
def test_what_is_outside_of_this_world_names_the_mounted_frontend(loop: VirtualLoop, act: Any) -> None:
    async def main() -> None:
        with contextlib.suppress(Exception):
            await act(loop)

    with pytest.raises(NotVirtual, match="mounted frontend"):
        loop.run_until_complete(main())


def test_another_thread_may_not_schedule(loop: VirtualLoop) -> None:
    refused: list[BaseException] = []

    def intrude() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except NotVirtual as error:
            refused.append(error)

    async def main() -> None:
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        loop.call_soon_threadsafe(refused.append, NotVirtual("from its own thread it is fine"))
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert ["another thread" in str(error) for error in refused] == [True, False]
