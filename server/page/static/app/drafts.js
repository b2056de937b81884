// What was written and not sent, by room: it outlives a reload of the tab and the end of a session.

import { storage } from './dom.js';

export class Drafts {
  #key;
  #texts;

  constructor(user) {
    this.#key = `breakwater.drafts.${user}`;
    this.#texts = JSON.parse(storage('sessionStorage')?.getItem(this.#key) ?? '{}');
  }

  get(room) { return this.#texts[room] ?? ''; }

  set(room, text) {
    if (text) this.#texts[room] = text;
    else delete this.#texts[room];
    storage('sessionStorage')?.setItem(this.#key, JSON.stringify(this.#texts));
  }
}
