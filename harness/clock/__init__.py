"""Time: one frozen wall clock and a virtual-time event loop that move together.

`VirtualClock` freezes what a program can ask about the time; `VirtualLoop` is an asyncio loop that never waits: when
nothing is ready it moves the clock to the next timer. An hour of sleeping costs microseconds and is the same hour in
every run.
"""

from harness.clock.loop import LoopStalled, SubjectSpins, VirtualLoop
from harness.clock.outside import NotVirtual
from harness.clock.wall import START, VirtualClock, machine_seconds

__all__ = ["START", "LoopStalled", "NotVirtual", "SubjectSpins", "VirtualClock", "VirtualLoop", "machine_seconds"]
