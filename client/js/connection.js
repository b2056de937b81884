// One logical connection: a WebSocket that is replaced whenever it is lost. It knows nothing of rooms
// or messages; `hooks` tells it where to connect and receives frames.
//
// hooks: target() -> path of the first join or null; further() -> the joins of the other rooms;
//        token({rejected}) -> promise of a bearer token; probe(path, token) -> rejects with the reason why
//        an upgrade fails; opened(); frame(object); lost(); state(object); unavailable(code) -> true when
//        another target is worth a try; shrink() -> true when a message that was too big has been taken out.

import { classifyClose, fullJitter } from './backoff.js';
import { Handover } from './handover.js';

const CONNECTING = 'connecting', OPEN = 'open', WAITING = 'waiting', CLOSED = 'closed';

export class Connection {
  #env;
  #hooks;
  #options;
  #state = { state: CLOSED, reason: 'not_started' };
  #wanted = false;
  #generation = 0; // every attempt has its own; answers to an older one are void
  #socket = null;
  #openedAt = null;
  #attempt = 0;
  #timer = null;
  #notBefore = 0; // a Retry-After that nothing may cut short
  #drain = null; // {until, timer} while the server empties itself
  #handover = null; // the connection that is to take over
  #token = null;
  #rejected = null;
  #doubted = false; // a token was refused on a connection, and none has lasted since

  constructor(env, hooks, options) {
    this.#env = env;
    this.#hooks = hooks;
    this.#options = options;
  }

  get state() { return this.#state; }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    this.#rejected = null;
    this.#doubted = false;
    this.#dial();
  }

  stop(reason) {
    this.#wanted = false;
    this.#abandon(1000);
    this.#set(CLOSED, { reason });
  }

  /** Hands a frame to the socket; false when there is none that is open. */
  send(frame) {
    if (this.#openedAt === null) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Gives the present socket up as dead, without waiting for a close that may never come. */
  drop() {
    if (this.#state.state === OPEN) this.#lost(1006);
  }

  /** The network seems to be back: do not sit out the rest of a backoff. */
  hasten() {
    if (this.#state.state !== WAITING || this.#env.clock.now() < this.#notBefore) return;
    const delay = this.#env.random() * this.#options.hastenMs;
    if (this.#env.clock.now() + delay < this.#state.retryAt) this.#wait(delay, this.#state.reason);
  }

  /** The server asks to be left: at a random moment within the window, before it closes. */
  drainWithin(ms) {
    if (this.#drain?.timer) return;
    this.#drain = {
      until: this.#env.clock.now() + ms,
      timer: this.#env.clock.setTimeout(() => this.#handOver(), this.#env.random() * ms),
    };
  }

  // The next connection is in all rooms before this one ends. Where that cannot be, it is tried again in
  // what is left of the window, and at last this one stays until the server closes it.
  async #handOver() {
    const generation = this.#generation;
    try {
      const token = await this.#hooks.token({});
      if (generation !== this.#generation) return;
      const url = this.#options.url + this.#hooks.target();
      this.#handover = new Handover(this.#env, {
        url, token, joins: this.#hooks.further(), timeoutMs: this.#options.connectTimeoutMs,
      }, {
        ready: (socket, frames) => this.#takeOver(socket, token, frames),
        failed: () => this.#handOverLater(),
      });
    } catch { // no token, or none that can be put into a request
      if (generation === this.#generation) this.#handOverLater();
    }
  }

  #handOverLater() {
    const { clock, random } = this.#env;
    this.#handover = null;
    const left = this.#drain.until - clock.now() - this.#options.baseMs;
    if (left > 0) this.#drain.timer = clock.setTimeout(() => this.#handOver(), this.#options.baseMs + random() * left);
  }

  #takeOver(socket, token, frames) {
    this.#handover = null; // or it would be abandoned, too
    this.#settle();
    const generation = this.#generation + 1;
    this.#abandon(1000);
    if (this.#generation !== generation) { // the application has ended it, hearing that the old one is lost
      socket.close(1000);
      return;
    }
    this.#drain = null;
    this.#token = token;
    this.#openedAt = this.#env.clock.now();
    this.#attach(socket);
    for (const frame of frames) {
      this.#take(frame);
      if (this.#socket !== socket) return; // the application has ended it
    }
    this.#hooks.opened();
  }

  async #dial() {
    const generation = ++this.#generation;
    const path = this.#hooks.target();
    if (path === null) {
      this.stop('no_room');
      return;
    }
    this.#set(CONNECTING, { reason: this.#state.reason });
    try {
      this.#token = await this.#hooks.token({ rejected: this.#rejected ?? undefined });
    } catch (err) {
      if (generation === this.#generation) this.#noToken(err);
      return;
    }
    if (generation !== this.#generation) return;
    if (this.#token === this.#rejected) {
      this.stop('unauthorized');
      return;
    }
    this.#open(path);
  }

  #noToken(err) {
    if (err.status === 401) this.stop('unauthorized');
    else this.#wait(Math.max(this.#backoff(), err.retryAfterMs ?? 0), 'network');
  }

  #open(path) {
    const { WebSocket, clock } = this.#env;
    let socket;
    try {
      socket = new WebSocket(this.#options.url + path, ['breakwater.v1', `bearer.${this.#token}`]);
    } catch { // an address or a token that cannot be put into a request
      this.stop('protocol_error');
      return;
    }
    this.#openedAt = null;
    this.#timer = clock.setTimeout(() => this.#refused(path), this.#options.connectTimeoutMs);
    this.#attach(socket, path);
    socket.onopen = () => this.#opened();
  }

  #attach(socket, path) {
    this.#socket = socket;
    socket.onmessage = (event) => this.#frame(event.data);
    socket.onclose = (event) => (this.#openedAt === null ? this.#refused(path) : this.#lost(event.code));
  }

  #opened() {
    this.#env.clock.clearTimeout(this.#timer);
    this.#openedAt = this.#env.clock.now();
    this.#rejected = null;
    this.#set(OPEN, { reason: 'connected' });
    this.#hooks.opened();
  }

  #frame(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      this.#lost(1006); // what cannot be read means that the stream cannot be trusted
      return;
    }
    this.#take(frame);
  }

  #take(frame) {
    if (frame.type === 'drain') this.drainWithin(frame.within_ms);
    this.#hooks.frame(frame);
  }

  // The upgrade failed. The browser hides why, so wait first and ask the server meanwhile.
  #refused(path) {
    this.#abandon(1000);
    this.#wait(this.#backoff(), 'unreachable');
    const generation = this.#generation;
    this.#hooks.probe(path, this.#token).catch((err) => {
      if (generation === this.#generation) this.#explained(err);
    });
  }

  #explained(err) {
    if (err.status === 401 && this.#rejected !== null) {
      this.stop('unauthorized'); // the fresh token fares no better
    } else if (err.status === 401) {
      this.#refreshThen(0, 'token_rejected');
    } else if (err.status === 403 || err.status === 404) {
      if (this.#hooks.unavailable(err.code)) this.#wait(0, err.code);
      else this.stop(err.code);
    } else if (err.retryAfterMs > 0) {
      this.#holdOff(err.retryAfterMs);
    }
  }

  // Retry-After is the least; a backoff that lasts longer stands.
  #holdOff(ms) {
    const now = this.#env.clock.now();
    this.#notBefore = now + ms;
    this.#wait(Math.max(ms + this.#env.random() * this.#options.baseMs, this.#state.retryAt - now), 'busy');
  }

  #lost(code) {
    const { action, reason } = classifyClose(code);
    this.#settle();
    this.#abandon(1000);
    if (action === 'stop' || (code === 4001 && this.#doubted)) this.stop(reason);
    else if (action === 'refresh') this.#doubt(reason);
    else if (action === 'shrink' && !this.#hooks.shrink()) this.stop(reason);
    else if (action === 'at_once' && this.#attempt === 0) this.#wait(this.#spread(), reason);
    else this.#wait(this.#backoff(), reason);
  }

  // What went wrong before a connection that lasted counts no more.
  #settle() {
    if (this.#env.clock.now() - this.#openedAt < this.#options.stableMs) return;
    this.#attempt = 0;
    this.#doubted = false;
  }

  // A short-lived token may expire again and again; one that is fresh and unauthorized stays so.
  #doubt(reason) {
    this.#doubted = true;
    this.#refreshThen(this.#attempt === 0 ? this.#spread() : this.#backoff(), reason);
  }

  #refreshThen(delay, reason) {
    this.#rejected = this.#token;
    this.#wait(delay, reason);
  }

  // A place within what is left of the drain window; a short one of our own when none was announced.
  // It counts as an attempt, so a server that closes every new connection is backed away from.
  #spread() {
    this.#attempt++;
    const left = (this.#drain?.until ?? 0) - this.#env.clock.now();
    return this.#env.random() * (left > 0 ? left : this.#options.spreadMs);
  }

  #backoff() {
    return fullJitter(this.#attempt++, this.#options, this.#env.random);
  }

  #wait(delay, reason) {
    const { clock } = this.#env;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#dial(), delay);
    this.#set(WAITING, { reason, retryAt: clock.now() + delay });
  }

  #abandon(code) {
    const { clock } = this.#env;
    const socket = this.#socket;
    const wasOpen = this.#openedAt !== null;
    this.#generation++;
    this.#handover?.cancel();
    this.#handover = null;
    clock.clearTimeout(this.#timer);
    if (this.#drain) {
      clock.clearTimeout(this.#drain.timer);
      this.#drain.timer = null;
    }
    this.#socket = null;
    this.#openedAt = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
    if (wasOpen) this.#hooks.lost();
  }

  #set(state, detail) {
    this.#state = { state, attempt: this.#attempt, ...detail };
    this.#hooks.state(this.#state);
  }
}
