// A world of our own for the client: time that moves when told, and a server that is a list of sockets.

export class FakeClock {
  #now = 1_000_000;
  #timers = new Map();
  #last = 0;

  now = () => this.#now;

  setTimeout = (fn, ms) => {
    this.#timers.set(++this.#last, { at: this.#now + ms, fn });
    return this.#last;
  };

  clearTimeout = (timer) => { this.#timers.delete(timer); };

  /** Lets time pass; everything due runs in order, with its promises. */
  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, t]) => t.at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, timer.at);
      timer.fn();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets all promises that can go on do so. */
export async function settle() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => { setImmediate(resolve); });
}

export class FakeServer {
  sockets = [];
  requests = []; // [method, path] of HTTP requests
  answers = new Map(); // path prefix -> {status, body, headers}

  constructor() {
    const server = this;
    this.WebSocket = class {
      sent = [];
      closed = null;

      constructor(url, protocols) {
        this.url = new URL(url);
        this.protocols = protocols;
        server.sockets.push(this);
      }

      send(text) { this.sent.push(JSON.parse(text)); }

      close(code) { this.closed = code; }

      // What the far side does:
      open() { this.onopen?.({}); return this; }

      push(frame) { this.onmessage?.({ data: JSON.stringify(frame) }); return this; }

      fail(code = 1006) { this.onclose?.({ code, reason: '' }); return this; }

      frames(type) { return this.sent.filter((f) => f.type === type); }
    };
  }

  get socket() { return this.sockets.at(-1); }

  fetch = async (url, { method, headers, body }) => {
    const path = new URL(url, 'http://test').pathname;
    this.requests.push({ method, path, headers, body: body && JSON.parse(body) });
    const key = [...this.answers.keys()].find((prefix) => path.startsWith(prefix));
    const answer = key ? this.answers.get(key) : { status: 426 };
    if (answer === 'down') throw new TypeError('Failed to fetch');
    return {
      ok: answer.status < 400,
      status: answer.status,
      headers: new Headers(answer.headers),
      json: async () => answer.body ?? {},
    };
  };
}

export function memoryStorage(entries = {}) {
  const map = new Map(Object.entries(entries));
  return {
    get length() { return map.size; },
    key: (i) => [...map.keys()][i] ?? null,
    getItem: (k) => map.get(k) ?? null,
    setItem: (k, v) => { map.set(k, v); },
    removeItem: (k) => { map.delete(k); },
  };
}

export function message(seq, fields = {}) {
  return { room: 1, epoch: 1, seq, id: `m${seq}`, user: 'bob', text: `text ${seq}`, timestamp: 5000 + seq, ...fields };
}

export function joined(seq, fields = {}) {
  return { type: 'joined', room: 1, epoch: 1, seq, recovered: false, messages: [], users: 1, ...fields };
}
