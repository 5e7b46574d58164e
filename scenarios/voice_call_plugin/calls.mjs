// Two calls: one that the manager places, one that comes in. Their events, and how one is delivered.

const INBOUND = { callId: "CA-in", providerCallId: "CA-in", direction: "inbound", from: "+15550000002", to: "+15550000000" };

/** In the order in which they happen. `callId` of the outbound call is the manager's own, known once it is placed. */
export const EVENTS = [
  { id: "out-answered", type: "call.answered" },
  { id: "out-speech", type: "call.speech", transcript: "one pizza", isFinal: true },
  { id: "out-ended", type: "call.ended", reason: "hangup-user" },
  { id: "in-ringing", type: "call.ringing", ...INBOUND },
  { id: "in-speech", type: "call.speech", transcript: "is it on its way", isFinal: true, ...INBOUND },
  { id: "in-ended", type: "call.ended", reason: "hangup-user", ...INBOUND },
].map((event, number) => ({ ...event, timestamp: 1_800_000_000_000 + 1_000 * number }));

export const isOutbound = (event) => event.callId === undefined;

/** "outbound" or "inbound": the call that an event belongs to, in words. */
export const callOf = (event) => (isOutbound(event) ? "outbound" : "inbound");

/** Place the outbound call; its id, or nothing where the manager refuses. */
export async function place({ manager }) {
  const placed = await manager.initiateCall("+15550000001", undefined, { message: "hello" });
  return placed.success ? placed.callId : undefined;
}

/**
 * One webhook request, as the plugin's web server treats it: parse, process, answer 200 whatever was thrown.
 * The mock provider's parser drops where a call comes from, so events of the inbound call are given parsed.
 */
export function deliver({ manager, provider }, event, outboundId) {
  let parsed = [{ ...event }];
  if (isOutbound(event)) {
    const named = { ...event, callId: outboundId, providerCallId: `mock-${outboundId}` };
    parsed = provider.parseWebhookEvent({ rawBody: JSON.stringify({ event: named }) }).events;
  }
  for (const one of parsed) {
    try {
      manager.processEvent(one);
    } catch (error) {
      console.error(error);
    }
  }
}
