// Who is in the room that is shown: one list from the server, kept true by presence events.

import { avatar, byId, h } from './dom.js';
import { plural } from './words.js';

const shownAtMost = 200;
const reloadMs = 1500;

export class PeopleView {
  #list = byId('people-list');
  #note = byId('people-note');
  #count = byId('people-count');
  #api;
  #me;
  #model = null;
  #timer = null;
  #due = false;
  #meanwhile = null; // what has changed in the room whose list is being loaded

  constructor(api, me) {
    this.#api = api;
    this.#me = me;
  }

  show(model) {
    this.#model = model;
    this.#render();
    if (model?.joined) this.reload(0);
  }

  /** Takes a presence event of any room. Names are capped by the server, the count is not. */
  changed(model, event) {
    apply(model, event);
    if (this.#meanwhile?.model === model) this.#meanwhile.events.push(event);
    if (model !== this.#model) return;
    this.#render();
    if (model.people.size !== event.users && model.people.size < shownAtMost) this.reload(reloadMs);
  }

  /** Asks for the list anew, at a random moment, since everyone in the room may do so now. */
  reload(withinMs) {
    if (this.#due) return;
    this.#due = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(this.#model), Math.random() * withinMs);
  }

  stop() { clearTimeout(this.#timer); }

  async #load(model) {
    this.#due = false;
    if (!model) return;
    const meanwhile = { model, events: [] };
    this.#meanwhile = meanwhile;
    try {
      const { users, count } = await this.#api.users(model.id, { limit: shownAtMost });
      model.people = new Set(users.map((user) => user.name));
      model.users = count;
    } catch {
      return; // the next presence event or reconnect asks again
    }
    // The list may be from before what was told while it was on its way.
    for (const event of meanwhile.events) apply(model, event);
    if (model === this.#model) this.#render();
  }

  #render() {
    const model = this.#model;
    this.#count.textContent = model ? model.users : '';
    if (!model) {
      this.#list.replaceChildren();
      this.#note.textContent = 'Join a room to see who is there.';
      return;
    }
    const names = [...model.people].sort((a, b) => (b === this.#me) - (a === this.#me) || a.localeCompare(b));
    const shown = names.slice(0, shownAtMost);
    this.#list.replaceChildren(...shown.map((name) => this.#person(name)));
    const rest = model.users - shown.length;
    this.#note.textContent = rest > 0 && shown.length > 0 ? `and ${plural(rest, 'other', 'others')}` : '';
  }

  #person(name) {
    return h('li', { dataset: { testid: 'person', user: name } },
      avatar(name),
      h('span', { class: 'who' }, name),
      name === this.#me ? h('span', { class: 'you' }, 'you') : null,
      h('span', { class: 'here', 'aria-hidden': 'true' }));
  }
}

function apply(model, { joined, left, users }) {
  for (const name of joined) model.people.add(name);
  for (const name of left) model.people.delete(name);
  model.users = users;
}
