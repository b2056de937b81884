// What the client needs from its surroundings; every part can be replaced, which is how it is tested.

const systemClock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => globalThis.setTimeout(fn, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

export function resolveEnv({ WebSocket, fetch, clock, random, events } = {}) {
  return {
    WebSocket: WebSocket ?? globalThis.WebSocket,
    fetch: fetch ?? ((...args) => globalThis.fetch(...args)),
    clock: clock ?? systemClock,
    random: random ?? Math.random,
    events: events ?? (typeof globalThis.addEventListener === 'function' ? globalThis : null),
  };
}

/** 128 random bits. Not crypto.randomUUID: that is missing on plain http outside localhost. */
export function randomId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Listeners by event name. One that throws must not keep the others from a message. */
export class Emitter {
  #listeners = new Map();

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  emit(type, detail) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(detail);
      } catch (err) {
        report(err);
      }
    }
  }
}

function report(err) {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(err);
  else queueMicrotask(() => { throw err; });
}
