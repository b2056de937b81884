// Questions over the WebSocket that have one answer each: join, leave, history.

import { ChatError } from './errors.js';

export class Requests {
  #clock;
  #timeoutMs;
  #send;
  #last = 0;
  #open = new Map(); // id -> {resolve, reject, timer}

  constructor(clock, timeoutMs, send) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#send = send;
  }

  ask(frame, timeoutMs = this.#timeoutMs) {
    // The prefix keeps these apart from message ids, which share the `error` frame.
    const id = `r.${++this.#last}`;
    return new Promise((resolve, reject) => {
      const { type, ...fields } = frame;
      if (!this.#send({ type, id, ...fields })) {
        reject(new ChatError('closed', 'There is no connection.'));
        return;
      }
      const late = () => this.#take(id)?.reject(new ChatError('timeout', 'The server did not answer in time.'));
      this.#open.set(id, { resolve, reject, timer: this.#clock.setTimeout(late, timeoutMs) });
    });
  }

  answer(frame) { this.#take(frame.id)?.resolve(frame); }

  fail({ id, code, detail, retry_after_ms: retryAfterMs }) {
    const request = this.#take(id);
    request?.reject(new ChatError(code, detail, { retryAfterMs }));
    return Boolean(request);
  }

  failAll(err) {
    for (const id of [...this.#open.keys()]) this.#take(id).reject(err);
  }

  #take(id) {
    const request = this.#open.get(id);
    if (!request) return undefined;
    this.#open.delete(id);
    this.#clock.clearTimeout(request.timer);
    return request;
  }
}
