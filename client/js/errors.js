// One error for everything that was refused, over HTTP or the WebSocket: `code` is the stable word
// of the contract (or `network`, `timeout`, `closed` where no answer came at all).

export class ChatError extends Error {
  constructor(code, detail, { status = 0, retryAfterMs = 0, cause } = {}) {
    super(detail || code, cause ? { cause } : undefined);
    this.name = 'ChatError';
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later without being changed. */
  get temporary() {
    return ['unavailable', 'rate_limited', 'overloaded', 'network', 'timeout', 'closed'].includes(this.code)
      || this.status === 429 || this.status >= 500;
  }
}
