// When to come back after a connection was lost.

const names = {
  1002: 'protocol_error',
  1003: 'protocol_error',
  1006: 'network',
  1007: 'protocol_error',
  1009: 'frame_too_big',
  4000: 'protocol_error',
  4001: 'unauthorized',
  4002: 'token_expired',
  4003: 'frame_too_big',
  4004: 'room_deleted',
  4100: 'slow_consumer',
  4101: 'overloaded',
  4102: 'rate_limited',
  4200: 'draining',
  4201: 'fenced',
  4202: 'resync',
};

/**
 * What a close code asks of the client:
 * `stop` (40xx, and framing that RFC 6455 forbids), `refresh` (4001, 4002: with a fresh token), `shrink` (a message was too big: without it),
 * `at_once` (42xx) or `backoff` (41xx, a lost network, and everything unknown).
 */
export function classifyClose(code) {
  const reason = names[code] ?? (code >= 4000 ? `close_${code}` : 'network');
  if (code === 4001 || code === 4002) return { action: 'refresh', reason };
  if (code === 4003 || code === 1009) return { action: 'shrink', reason };
  if ([1002, 1003, 1007].includes(code) || (code >= 4000 && code < 4100)) return { action: 'stop', reason };
  if (code >= 4200 && code < 4300) return { action: 'at_once', reason };
  return { action: 'backoff', reason };
}

/**
 * Full jitter: anywhere in [0, min(cap, base·2^attempt)), so that clients which were lost together
 * do not come back together.
 */
export function fullJitter(attempt, { baseMs, capMs }, random) {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
