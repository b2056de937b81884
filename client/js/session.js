// Who is logged in, and a token that is always fresh enough.

import { resolveEnv, Emitter } from './env.js';
import { ChatError } from './errors.js';

const maxTimerMs = 2 ** 31 - 1;
const retryMs = 15_000;

export class Session {
  #api;
  #env;
  #storage;
  #key;
  #events = new Emitter();
  #grant = null; // {id, name, token, expires_at} as the server gave it
  #obtainedAt = 0;
  #refreshing = null;
  #timer = null;

  /** `storage` (sessionStorage, localStorage or alike) lets the session survive a reload. */
  constructor({ api, storage = null, key = 'breakwater.session', clock, random }) {
    this.#api = api;
    this.#env = resolveEnv({ clock, random });
    this.#storage = storage;
    this.#key = key;
  }

  get user() { return this.#grant?.name ?? null; }

  get expiresAt() { return this.#grant?.expires_at ?? null; }

  on(type, listener) { return this.#events.on(type, listener); }

  async signUp(name, password) { return this.#adopt(await this.#api.signUp(name, password)); }

  async login(name, password) { return this.#adopt(await this.#api.login(name, password)); }

  /** Takes up the stored session, if there is one that has not expired. Returns the user's name or null. */
  restore() {
    try {
      const grant = JSON.parse(this.#storage?.getItem(this.#key) ?? 'null');
      if (grant?.token && grant.expires_at > this.#env.clock.now()) this.#adopt(grant);
    } catch {
      this.logout(); // what cannot be read is worth nothing
    }
    return this.user;
  }

  logout() {
    this.#grant = null;
    this.#env.clock.clearTimeout(this.#timer);
    try { this.#storage?.removeItem(this.#key); } catch { /* storage is a convenience */ }
  }

  /**
   * A token that will hold for a while; it is refreshed first when it is about to expire or is the one
   * that the server has just rejected. Throws `unauthorized` when only a new login helps.
   */
  async token({ rejected } = {}) {
    if (!this.#grant) throw new ChatError('unauthorized', 'Nobody is logged in.', { status: 401 });
    const due = this.#env.clock.now() >= this.#refreshAt();
    if (this.#grant.token === rejected) await this.refresh();
    else if (due) await this.refresh().catch((err) => this.#tolerate(err));
    return this.#grant.token;
  }

  /** Asks for a fresh token now. Calls at the same time share one request. */
  refresh() {
    this.#refreshing ??= this.#api.refresh(this.#grant?.token ?? '')
      .then((grant) => { if (this.#grant) this.#adopt(grant); })
      .catch((err) => {
        if (err.status === 401) this.#expire();
        throw err;
      })
      .finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  #adopt(grant) {
    this.#grant = { ...this.#grant, ...grant };
    this.#obtainedAt = this.#env.clock.now();
    try { this.#storage?.setItem(this.#key, JSON.stringify(this.#grant)); } catch { /* as above */ }
    this.#schedule(this.#refreshAt() - this.#env.clock.now());
    this.#events.emit('token', { user: this.#grant.name, expiresAt: this.#grant.expires_at });
    return this.#grant.name;
  }

  // A tenth of the lifetime before the end, but never less than a minute of it where there is one.
  #refreshAt() {
    const life = this.#grant.expires_at - this.#obtainedAt;
    return this.#grant.expires_at - Math.max(life / 10, Math.min(60_000, life / 2));
  }

  #schedule(ms) {
    this.#env.clock.clearTimeout(this.#timer);
    // A clock far ahead of the server's would refresh without end; then only a rejection does.
    if (this.#grant.expires_at <= this.#obtainedAt) return;
    const spread = this.#env.random() * 0.1 * Math.max(ms, 0);
    this.#timer = this.#env.clock.setTimeout(() => this.#tick(), Math.min(Math.max(ms - spread, 0), maxTimerMs));
    this.#timer?.unref?.();
  }

  #tick() {
    if (!this.#grant) return;
    this.refresh().catch((err) => {
      if (this.#grant) this.#schedule(Math.max(retryMs, err.retryAfterMs ?? 0));
    });
  }

  // While the old token still holds, a refresh that failed is not yet a reason to fail the caller.
  #tolerate(err) {
    if (!this.#grant || this.#env.clock.now() >= this.#grant.expires_at) throw err;
  }

  #expire() {
    this.logout();
    this.#events.emit('expired', {});
  }
}
