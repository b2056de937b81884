// Messages that the server has not acknowledged yet, in the order in which they were written. Each is
// stored under its own key, so that two pages of the same user do not overwrite each other's.

import { randomId } from './env.js';
import { ChatError } from './errors.js';

export class Outbox {
  #storage;
  #prefix;
  #clock;
  #limit;
  #items = new Map(); // id -> item, in order
  #last = 0;

  constructor({ storage = null, user, clock, limit }) {
    this.#storage = storage;
    this.#prefix = `breakwater.outbox.${user}.`;
    this.#clock = clock;
    this.#limit = limit;
    for (const item of this.#load()) this.#items.set(item.id, item);
  }

  add(room, text) {
    if (this.#items.size >= this.#limit) {
      throw new ChatError('outbox_full', 'Too many messages are waiting to be sent.');
    }
    // Never twice the same time: it is the order after a reload.
    this.#last = Math.max(this.#clock.now(), this.#last + 1);
    const item = { id: randomId(), room, text, at: this.#last, status: 'queued' };
    this.#items.set(item.id, item);
    this.save(item);
    return item;
  }

  get(id) { return this.#items.get(id); }

  /** All items of a room (or of every room), oldest first. */
  items(room) {
    return [...this.#items.values()].filter((item) => room === undefined || item.room === room);
  }

  save(item) {
    const { id, room, text, at, status, tried, base, code, detail } = item;
    const stored = { id, room, text, at, status: status === 'refused' ? status : 'queued', tried, base, code, detail };
    try {
      this.#storage?.setItem(this.#prefix + id, JSON.stringify(stored));
    } catch { /* full or forbidden: the message still lives as long as the page */ }
  }

  remove(id) {
    this.#items.delete(id);
    try { this.#storage?.removeItem(this.#prefix + id); } catch { /* as above */ }
  }

  #load() {
    const found = [];
    try {
      for (let i = 0; i < (this.#storage?.length ?? 0); i++) {
        const key = this.#storage.key(i);
        if (key.startsWith(this.#prefix)) found.push(JSON.parse(this.#storage.getItem(key)));
      }
    } catch { /* unreadable: as if it were empty */ }
    found.sort((a, b) => a.at - b.at);
    this.#last = found.at(-1)?.at ?? 0;
    return found;
  }
}
