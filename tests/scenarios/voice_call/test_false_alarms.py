"""The correct manager is not accused: fifty seeds, both default profiles, every delivery policy of the provider.

A seed chooses ids, the order of ready callbacks, the contents of samples and the random histories. All stories are
judged at their living end and after a kill at each point; power is cut at every third kill-point of a story under each
policy (which third, the seed says: three seeds make the whole sweep), and random histories are drawn in each world.
"""

import pytest

from harness.explore.crash_sweep import CrashSweep
from harness.explore.judging import by_phase, judge_clean
from harness.explore.life import session
from harness.explore.recording import record
from harness.gate.options import DEFAULT_PROFILES
from harness.statemachine import run_histories
from scenarios.voice_call.policy import POLICIES
from scenarios.voice_call.scenario import VoiceCall
from scenarios.voice_call.workloads import WORKLOADS

SCENARIO = VoiceCall()
SCENARIO.reference = "voice_call"
CONTRACT = by_phase(SCENARIO.contract())
SEEDS = range(50)
HISTORIES = 8
STRIDE = 3
POWER_CUTS = {WORKLOADS[name].policy: name for name in WORKLOADS if name.split("@")[0] == "inbound"}


def told(tally):
    return [(finding.verdict, finding.summary, finding.case.workload) for finding in tally.findings]


def test_every_policy_has_a_story_and_a_world():
    assert set(POWER_CUTS) == set(POLICIES.values())
    assert {WORKLOADS[name].policy for name in SCENARIO.history_workloads()} == set(POLICIES.values())
    assert set(DEFAULT_PROFILES) == {"process", "strict"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_story_accuses_the_correct_manager(seed):
    found = []
    with session():
        for name in WORKLOADS:
            recording = record(SCENARIO, name, seed)
            assert recording.failure is None, name
            found += [(name, one) for one in judge_clean(CONTRACT, recording)]
            sweep = CrashSweep(recording, "process", CONTRACT, recovery=False)
            found += told(sweep.run(range(recording.began, recording.end + 1)))
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_power_cut_accuses_the_correct_manager(seed):
    found = []
    with session():
        for name in POWER_CUTS.values():
            recording = record(SCENARIO, name, seed)
            sweep = CrashSweep(recording, "strict", CONTRACT)
            tally = sweep.run(range(recording.began + seed % STRIDE, recording.end + 1, STRIDE))
            assert tally.checked > 100
            found += told(tally)
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_random_history_accuses_the_correct_manager(seed):
    found = []
    with session():
        for name in SCENARIO.history_workloads():
            for profile in DEFAULT_PROFILES:
                tally = run_histories(SCENARIO, name, profile, 1_000 + seed, HISTORIES)
                assert tally.examples >= HISTORIES
                found += told(tally)
    assert found == []
