// The chat client: rooms and messages over one connection that heals itself.

import { ChatApi } from './api.js';
import { fullJitter } from './backoff.js';
import { Connection } from './connection.js';
import { Emitter, resolveEnv } from './env.js';
import { ChatError } from './errors.js';
import { Outbox } from './outbox.js';
import { Requests } from './requests.js';
import { RoomFeed } from './room.js';
import { Sender } from './sender.js';

const defaults = {
  baseMs: 500,
  capMs: 30_000,
  spreadMs: 1000,
  hastenMs: 500,
  stableMs: 10_000,
  connectTimeoutMs: 15_000,
  requestTimeoutMs: 15_000,
  probeTimeoutMs: 5000,
  ackTimeoutMs: 20_000,
  typingMs: 3000,
  dedupeMs: 4 * 60_000, // the server keeps ids for 5 minutes; the rest is for clocks and journeys
  maxInFlight: 1,
  maxPending: 500,
  maxTextBytes: 4096,
};

export class ChatClient {
  #env;
  #options;
  #user;
  #events = new Emitter();
  #feeds = new Map();
  #typedAt = new Map();
  #outbox;
  #sender;
  #requests;
  #connection;
  #release = [];
  #dialled = null; // the room of the URL
  #lastInFlight = []; // what flew when the connection was lost

  constructor({ user, getToken, baseUrl = globalThis.location?.origin ?? '', storage = null, ...rest }) {
    this.#env = resolveEnv(rest);
    this.#options = { ...defaults, ...rest, url: baseUrl.replace(/^http/, 'ws').replace(/\/+$/, '') };
    this.#user = user;
    this.#outbox = new Outbox({ storage, user, clock: this.#env.clock, limit: this.#options.maxPending });
    const api = new ChatApi({ baseUrl, fetch: this.#env.fetch });
    this.#connection = new Connection(this.#env, {
      target: () => this.#target(),
      further: () => this.#further(),
      token: getToken,
      probe: (path, token) => api.probe(path, token),
      opened: () => this.#opened(),
      frame: (frame) => this.#frame(frame),
      lost: () => this.#lost(),
      state: (state) => this.#events.emit('state', state),
      unavailable: (code) => this.#firstUnavailable(code),
      shrink: () => this.#sender.shrink(this.#lastInFlight),
    }, this.#options);
    this.#requests = new Requests(this.#env.clock, this.#options.requestTimeoutMs, (f) => this.#connection.send(f));
    this.#sender = this.#newSender();
  }

  /** `{state, reason, attempt, retryAt?}` */
  get state() { return this.#connection.state; }

  get user() { return this.#user; }

  get rooms() { return [...this.#feeds.keys()]; }

  on(type, listener) { return this.#events.on(type, listener); }

  connect() {
    if (this.#release.length === 0) this.#listen();
    this.#connection.start();
  }

  /** Closes for good; what is unsent stays in the storage. */
  close() {
    this.#connection.stop('closed');
    for (const release of this.#release.splice(0)) release();
  }

  join(room, { since } = {}) {
    if (this.#feeds.has(room)) return;
    this.#feeds.set(room, new RoomFeed(room, this.#feedHooks(room), since));
    if (this.state.state === 'open') this.#joinLive(room);
    else if (this.state.reason === 'no_room') this.connect();
  }

  leave(room) {
    if (!this.#feeds.delete(room)) return;
    if (this.#feeds.size === 0) this.#connection.stop('no_room');
    else this.#leaveLive(room);
  }

  send(room, text) {
    if (text === '') throw new ChatError('empty_text', 'The message is empty.');
    const limit = this.#options.maxTextBytes;
    if (limit > 0 && new TextEncoder().encode(text).length > limit) {
      throw new ChatError('text_too_long', `The message is longer than ${limit} bytes.`);
    }
    const item = this.#outbox.add(room, text.toWellFormed?.() ?? text);
    this.#sender.flush(room);
    return view(item);
  }

  /** What has not been acknowledged, oldest first. */
  pending(room) { return this.#outbox.items(room).map(view); }

  retry(id) {
    const item = this.#outbox.get(id);
    if (item?.status === 'refused') this.#sender.retry(item);
  }

  /** Forgets an unsent message. One that is on its way may still arrive. */
  discard(id) {
    const item = this.#outbox.get(id);
    if (!item) return;
    this.#env.clock.clearTimeout(item.timer);
    this.#outbox.remove(id);
    this.#sender.flush(item.room);
  }

  /** Tells the others that the user is writing; at most once in three seconds. */
  typing(room) {
    const now = this.#env.clock.now();
    if (!this.#feeds.get(room)?.live || now - (this.#typedAt.get(room) ?? -Infinity) < this.#options.typingMs) return;
    this.#typedAt.set(room, now);
    this.#connection.send({ type: 'typing', room });
  }

  async history(room, { before, after, limit } = {}) {
    const { messages, next } = await this.#requests.ask({ type: 'history', room, before, after, limit });
    return { messages, next };
  }

  /** Something says that the network changed: come back sooner, or find out whether the connection lives. */
  nudge() {
    if (this.state.state === 'waiting') this.#connection.hasten();
    else if (this.state.state === 'open') this.#checkAlive();
  }

  #newSender() {
    return new Sender(this.#outbox, this.#env, this.#options, {
      feed: (room) => this.#feeds.get(room),
      transmit: (frame) => this.#connection.send(frame),
      page: (room, after, limit) => this.history(room, { after, limit }),
      rejoin: (room) => this.#rejoin(room),
      own: (message) => message.user === this.#user,
      stalled: () => this.#connection.drop(),
      sent: (sent) => this.#events.emit('sent', sent),
      refused: (item) => this.#events.emit('refused', view(item)),
      changed: (item) => this.#events.emit('pending', view(item)),
      pause: (attempt) => this.#pauseFor(attempt),
    });
  }

  #feedHooks(room) {
    return {
      deliver: (messages, replay) => this.#deliver(room, messages, replay),
      reset: () => this.#events.emit('reset', { room }),
      missing: (from, to) => this.#events.emit('missing', { room, from, to }),
      page: (after, limit) => this.history(room, { after, limit }),
      pause: (attempt) => this.#pauseFor(attempt),
    };
  }

  #deliver(room, messages, replay) {
    this.#events.emit('messages', { room, messages, replay });
    for (const m of messages) {
      if (m.user === this.#user) this.#sender.settle(m);
    }
  }

  #listen() {
    const { events } = this.#env;
    if (!events) return;
    for (const type of ['online', 'offline']) {
      const listener = () => this.nudge();
      events.addEventListener(type, listener);
      this.#release.push(() => events.removeEventListener(type, listener));
    }
  }

  #target() {
    const feed = this.#feeds.values().next().value;
    this.#dialled = feed?.id ?? null;
    if (!feed) return null;
    const params = new URLSearchParams({ user: this.#user });
    if (feed.since) {
      params.set('epoch', feed.since.epoch);
      params.set('since', feed.since.seq);
    }
    return `/v1/chatrooms/${feed.id}/join?${params}`;
  }

  #further() {
    const others = [...this.#feeds.values()].filter((feed) => feed.live && feed.id !== this.#dialled);
    return others.map((feed) => ({ type: 'join', room: feed.id, since: feed.since }));
  }

  #opened() {
    for (const room of this.rooms) {
      if (room !== this.#dialled) this.#joinLive(room);
    }
  }

  #lost() {
    this.#lastInFlight = this.#outbox.items().filter((item) => item.status === 'sending');
    for (const feed of this.#feeds.values()) feed.lost();
    this.#requests.failAll(new ChatError('closed', 'The connection was lost.'));
    this.#sender.lost();
  }

  #rejoin(room) {
    const feed = this.#feeds.get(room);
    if (!feed?.live) return;
    feed.lost();
    this.#joinLive(room);
  }

  #leaveLive(room) {
    this.#requests.ask({ type: 'leave', room }).catch(() => {}); // without a connection it is left already
  }

  async #joinLive(room) {
    for (let attempt = 0; ; attempt++) {
      const feed = this.#feeds.get(room);
      if (!feed || feed.live || this.state.state !== 'open') return;
      try {
        await this.#requests.ask({ type: 'join', room, since: feed.since });
        return; // the `joined` frame has been handled by then
      } catch (err) {
        if (err.code === 'closed') return;
        if (!err.temporary) {
          this.#gone(room, err.code);
          return;
        }
        await (err.retryAfterMs > 0 ? this.#pause(err.retryAfterMs) : this.#pauseFor(attempt));
      }
    }
  }

  #firstUnavailable(code) {
    if (code === 'no_such_room') this.#gone(this.#dialled, code);
    return code === 'no_such_room';
  }

  #gone(room, code) {
    this.#feeds.delete(room);
    for (const item of this.#outbox.items(room)) this.#sender.refuse(item, code, 'The room does not exist any more.');
    this.#events.emit('gone', { room, code });
    if (this.#feeds.size === 0 && this.state.state === 'open') this.#connection.stop('no_room');
  }

  #frame(frame) {
    const feed = this.#feeds.get(frame.room);
    switch (frame.type) {
      case 'message': feed?.message(frame); break;
      case 'joined':
        if (feed) this.#joined(feed, frame);
        else this.#leaveLive(frame.room); // left while it was joined
        this.#requests.answer(frame);
        break;
      case 'ack': this.#sender.settle(frame); break;
      case 'gap': feed?.gap(frame); break;
      case 'history':
      case 'left': this.#requests.answer(frame); break;
      case 'presence':
      case 'typing': if (feed) this.#events.emit(frame.type, frame); break;
      case 'error': this.#error(frame); break;
      default: // a later server may say more than this client understands
    }
  }

  #joined(feed, frame) {
    feed.joined(frame);
    const { room, epoch, seq, recovered, users } = frame;
    this.#events.emit('joined', { room, epoch, seq, recovered, users });
    this.#sender.resume(feed);
  }

  #error(frame) {
    if (this.#requests.fail(frame) || this.#sender.failed(frame)) return;
    this.#events.emit('error', new ChatError(frame.code, frame.detail, { retryAfterMs: frame.retry_after_ms }));
    // An error without an id while the URL's room is not joined can only be about that join.
    const first = this.#feeds.get(this.#dialled);
    if (frame.id || !first || first.live) return;
    if (frame.code === 'no_such_room') this.#gone(first.id, frame.code);
    else this.#pause(frame.retry_after_ms ?? this.#options.baseMs).then(() => this.#joinLive(first.id));
  }

  async #checkAlive() {
    const feed = [...this.#feeds.values()].find((f) => f.live);
    if (!feed) return;
    const asked = this.#requests.ask({ type: 'history', room: feed.id, limit: 1 }, this.#options.probeTimeoutMs);
    await asked.catch((err) => {
      if (err.code === 'timeout') this.#connection.drop();
    });
  }

  #pauseFor(attempt) {
    return this.#pause(fullJitter(attempt + 1, this.#options, this.#env.random));
  }

  #pause(ms) {
    return new Promise((resolve) => { this.#env.clock.setTimeout(resolve, ms); });
  }
}

function view({ id, room, text, at, status, code, detail }) {
  return { id, room, text, at, status, code, detail };
}
