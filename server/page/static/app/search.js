// Search in this room or in all of them; a hit leads to its message.

import { arrowKeys, byId, h, timeElement } from './dom.js';
import { highlighted } from './row.js';
import { explain, plural } from './words.js';

const pageSize = 20;
const maxBefore = 60;

export class SearchView {
  #form = byId('search-form');
  #box = byId('search-box');
  #summary = byId('search-summary');
  #results = byId('search-results');
  #more = byId('search-more');
  #api;
  #hooks;
  #asked = null; // {q, room, cursor} of what is shown
  #generation = 0;

  /** hooks: room() -> id of the room shown, name(id), jump(hit). */
  constructor(api, hooks) {
    this.#api = api;
    this.#hooks = hooks;
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#ask();
    };
    this.#form.onchange = (event) => {
      if (event.target.name === 'scope' && this.#asked) this.#ask();
    };
    this.#more.onclick = () => this.#page();
    arrowKeys(this.#results, '.hit');
    this.#box.onkeydown = (event) => {
      if (event.key !== 'ArrowDown') return;
      event.preventDefault();
      this.#results.querySelector('.hit')?.focus();
    };
    this.clear();
  }

  focus() {
    this.#box.focus();
    this.#box.select();
  }

  /** Another room is shown: what was found in the former one is asked for in this. */
  roomChanged() {
    if (this.#asked?.room !== undefined && this.#asked.room !== this.#hooks.room()) this.#ask();
  }

  clear() {
    this.#generation++;
    this.#asked = null;
    this.#box.value = '';
    this.#results.replaceChildren();
    this.#summary.textContent = '';
    this.#more.hidden = true;
  }

  #ask() {
    const q = this.#box.value.trim();
    const room = this.#form.elements.scope.value === 'room' ? this.#hooks.room() : undefined;
    if (!q) {
      this.clear();
      return;
    }
    this.#results.replaceChildren();
    if (room === null) {
      this.#generation++;
      this.#asked = null;
      this.#more.hidden = true;
      this.#summary.textContent = 'Open a room first, or search all rooms.';
      return;
    }
    this.#asked = { q, room, cursor: undefined };
    this.#page();
  }

  async #page() {
    const generation = ++this.#generation;
    const { q, room, cursor } = this.#asked;
    this.#summary.textContent = 'Searching…';
    this.#more.hidden = true;
    let answer;
    try {
      answer = await this.#api.search(q, { room, cursor, limit: pageSize });
    } catch (err) {
      if (generation === this.#generation) this.#summary.textContent = explain(err);
      return;
    }
    if (generation !== this.#generation) return;
    this.#asked.cursor = answer.cursor ?? undefined;
    this.#results.append(...answer.hits.map((hit) => h('li', {}, this.#hit(hit, room === undefined))));
    this.#more.hidden = !answer.cursor || answer.hits.length === 0;
    this.#summary.textContent = answer.total > 0 ? `${plural(answer.total, 'message', 'messages')} found` : 'Nothing found.';
  }

  #hit(hit, withRoom) {
    return h('button', {
      type: 'button',
      class: 'hit',
      dataset: { testid: 'hit', room: hit.room, seq: hit.seq },
      onclick: () => this.#hooks.jump(hit),
    },
    withRoom ? h('span', { class: 'where' }, `# ${this.#hooks.name(hit.room)}`) : null,
    h('span', { class: 'meta' }, h('span', { class: 'author' }, hit.user), timeElement(hit.timestamp, { withDay: true })),
    h('span', { class: 'text' }, ...excerpt(highlighted(hit.highlight ?? ''))));
  }
}

// The first match must be among the few lines that are shown of a hit.
function excerpt([before, ...rest]) {
  if (typeof before !== 'string' || before.length <= maxBefore) return [before, ...rest];
  return [`…${[...before].slice(-maxBefore).join('')}`, ...rest];
}
