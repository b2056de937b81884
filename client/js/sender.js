// Sends what is in the outbox: in order, each until it is acknowledged or refused, always with the id
// that it got when it was written.

import { fullJitter } from './backoff.js';

/** Answers after which the same message may be sent again. */
const retried = new Set(['unavailable', 'rate_limited', 'overloaded']);
const leastRetryMs = 250;
const pageSize = 500;
const maxPages = 20;

export class Sender {
  #outbox;
  #env;
  #options;
  #hooks;
  #blocked = new Map(); // room -> timer until which its first message waits
  #checking = new Set(); // feeds whose old messages are being looked up

  /**
   * hooks: feed(room), transmit(frame) -> sent, page(room, after, limit), rejoin(room), stalled(),
   * pause(attempt), own(message), sent(answer), refused(item), changed(item).
   */
  constructor(outbox, env, options, hooks) {
    this.#outbox = outbox;
    this.#env = env;
    this.#options = options;
    this.#hooks = hooks;
  }

  /** The room was joined, and what came with it delivered: go on where the last connection stopped. */
  async resume(feed) {
    this.#unblock(feed.id);
    if (this.#checking.has(feed)) return;
    this.#checking.add(feed);
    for (let attempt = 0, done = false; feed.live && !done; attempt++) {
      done = await this.#settleOld(feed).then(() => true, () => this.#hooks.pause(attempt));
    }
    this.#checking.delete(feed);
    this.flush(feed.id);
  }

  flush(room) {
    const feed = this.#hooks.feed(room);
    if (!feed?.live || this.#checking.has(feed) || this.#blocked.has(room)) return;
    let flying = 0;
    for (const item of this.#outbox.items(room)) {
      if (item.status === 'refused') continue;
      if (flying >= this.#options.maxInFlight) return;
      if (item.status === 'queued' && !this.#transmit(item, feed)) return;
      flying++;
    }
  }

  /** The connection is gone: whether what flew has arrived is not known, so it will fly again. */
  lost() {
    for (const room of [...this.#blocked.keys()]) this.#unblock(room);
    for (const item of this.#outbox.items()) {
      this.#env.clock.clearTimeout(item.timer);
      if (item.status === 'sending') this.#mark(item, 'queued');
    }
  }

  /** The message is in the log: its ack came, or the message itself. */
  settle(answer) {
    const item = this.#outbox.get(answer.id);
    if (!item || item.room !== answer.room) return;
    this.#env.clock.clearTimeout(item.timer);
    this.#outbox.remove(item.id);
    const { id, room, epoch, seq, timestamp, duplicate = false } = answer;
    this.#hooks.sent({ id, room, epoch, seq, timestamp, duplicate });
    this.flush(room);
  }

  /** An `error` frame for a message of ours; false if the id is not one of them. */
  failed({ id, code, detail, retry_after_ms: retryAfterMs }) {
    const item = this.#outbox.get(id);
    if (!item) return false;
    this.#env.clock.clearTimeout(item.timer);
    if (item.status !== 'sending') return true;
    if (retried.has(code)) this.#postpone(item, retryAfterMs);
    else if (code === 'not_in_room') this.#rejoin(item);
    else this.refuse(item, code, detail);
    return true;
  }

  refuse(item, code, detail) {
    Object.assign(item, { code, detail });
    this.#mark(item, 'refused');
    this.#outbox.save(item);
    this.#hooks.refused(item);
    this.flush(item.room);
  }

  /** Sends a refused message again, as it is. */
  retry(item) {
    this.#mark(item, 'queued');
    this.#outbox.save(item);
    this.flush(item.room);
  }

  /** The longest message in flight was too big for a frame: take it out. False if none was in flight. */
  shrink(inFlight) {
    const longest = inFlight.sort((a, b) => b.text.length - a.text.length)[0];
    if (longest) this.refuse(longest, 'frame_too_big', 'The message is too long.');
    return Boolean(longest);
  }

  #transmit(item, feed) {
    if (!this.#hooks.transmit({ type: 'send', id: item.id, room: item.room, text: item.text })) return false;
    if (item.tried === undefined) {
      item.tried = this.#env.clock.now();
      item.base = feed.since;
      this.#outbox.save(item);
    }
    // A browser does not notice a dead network by itself; a missing ack tells.
    item.timer = this.#env.clock.setTimeout(() => this.#hooks.stalled(), this.#options.ackTimeoutMs);
    this.#mark(item, 'sending');
    return true;
  }

  #postpone(item, retryAfterMs) {
    item.attempts = (item.attempts ?? 0) + 1;
    // Not less than the server asks for, more each time, and with jitter: many may have been refused together.
    const ms = Math.max(retryAfterMs ?? 0, leastRetryMs) + fullJitter(item.attempts - 1, this.#options, this.#env.random);
    this.#mark(item, 'queued');
    if (this.#blocked.has(item.room)) return;
    this.#blocked.set(item.room, this.#env.clock.setTimeout(() => {
      this.#unblock(item.room);
      this.flush(item.room);
    }, ms));
  }

  #rejoin(item) {
    this.#mark(item, 'queued');
    this.#hooks.rejoin(item.room);
  }

  #unblock(room) {
    this.#env.clock.clearTimeout(this.#blocked.get(room));
    this.#blocked.delete(room);
  }

  #mark(item, status) {
    item.status = status;
    this.#hooks.changed(item);
  }

  // The server remembers an id for some minutes and for one epoch. A message that was tried before that
  // is looked for in the room's history from where it was tried, unless that has passed by already. Where
  // the history cannot tell it is refused: sent again in silence it might be stored twice.
  async #settleOld(feed) {
    const now = this.#env.clock.now();
    const old = this.#outbox.items(feed.id).filter((item) => item.status === 'queued' && item.base
      && (now - item.tried > this.#options.dedupeMs || item.base.epoch !== feed.epoch)
      && item.base.seq < feed.seenFrom);
    if (old.length === 0) return;
    let after = Math.min(...old.map((item) => item.base.seq));
    for (let page = 0; page < maxPages && after < feed.seenFrom; page++) {
      const { messages } = await this.#hooks.page(feed.id, after, pageSize);
      if (messages.length === 0) break;
      for (const m of messages) if (this.#hooks.own(m)) this.settle(m);
      after = messages.at(-1).seq;
    }
    if (after >= feed.seenFrom) return;
    for (const item of old) {
      if (this.#outbox.get(item.id) === item) this.refuse(item, 'unconfirmed', 'The message may or may not have been sent.');
    }
  }
}
