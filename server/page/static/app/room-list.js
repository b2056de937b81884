// The rooms: those joined, with what is unread, and the others.

import { arrowKeys, byId, h } from './dom.js';
import { explain } from './words.js';

const pageSize = 100;
const refreshMs = 20_000;

export class RoomListView {
  #joined = byId('joined-rooms');
  #others = byId('other-rooms');
  #more = byId('more-rooms');
  #error = byId('rooms-error');
  #dialog = byId('new-room-dialog');
  #name = byId('new-room-name');
  #api;
  #hooks;
  #rooms = new Map(); // id -> room, as the server lists them
  #next = null;
  #last = 0; // the last id of the pages that were read beyond the first
  #timer = null;
  #stopped = false;
  #items = new Map(); // id -> the parts of its button, which stays the same while the room is listed

  /** hooks: open(room), models() -> Map of joined rooms, active() -> id, changed(). */
  constructor(api, hooks) {
    this.#api = api;
    this.#hooks = hooks;
    this.#more.onclick = () => this.#load(this.#next);
    arrowKeys(byId('room-list'), '.room-item');
    this.#wireDialog();
  }

  get known() { return this.#rooms; }

  /** Loads the list, and again now and then while the page can be seen. */
  async start() {
    await this.refresh();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.start(), refreshMs * (0.75 + Math.random() / 2));
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#dialog.close(); // a modal one would keep everything else from being used
  }

  /** Reads the first page again and, when all have been read, what came since behind the last. */
  async refresh() {
    if (document.visibilityState !== 'visible') return;
    await this.#load(undefined);
    if (!this.#stopped && this.#next === null && this.#last > 0) await this.#load(this.#last);
  }

  async #load(after) {
    try {
      const { chatrooms, next } = await this.#api.rooms({ limit: pageSize, after });
      if (this.#stopped) return;
      for (const room of chatrooms) this.#rooms.set(room.id, room);
      // A refresh of the first page must not forget that more pages have been read.
      if (after !== undefined || this.#last === 0) this.#next = next;
      if (after !== undefined) this.#last = chatrooms.at(-1)?.id ?? this.#last;
      this.#error.textContent = '';
    } catch (err) {
      this.#error.textContent = `The list of rooms could not be loaded. ${explain(err)}`;
    }
    this.#more.hidden = this.#next === null;
    this.#hooks.changed();
    this.render();
  }

  /** Asks for one room that no page of the list has brought yet. */
  async learn(id) {
    const room = await this.#api.room(id).catch(() => null); // a room that is gone is told of elsewhere
    if (!room || this.#stopped) return;
    this.#rooms.set(id, room);
    this.#hooks.changed();
    this.render();
  }

  render() {
    const models = this.#hooks.models();
    const others = [...this.#rooms.values()].filter((room) => !models.has(room.id));
    this.#fill(this.#joined, 'joined-section', [...models.values()].map((model) => this.#item(model, model)));
    this.#fill(this.#others, 'other-section', others.map((room) => this.#item(room, null)));
  }

  // Elements are changed, not replaced: a click or the focus must not be lost to an unread count.
  #fill(list, section, items) {
    byId(section).hidden = items.length === 0;
    for (const [i, item] of items.entries()) {
      if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    }
    while (list.children.length > items.length) list.lastChild.remove();
  }

  #item(room, model) {
    const parts = this.#items.get(room.id) ?? this.#newItem(room.id);
    const unread = model?.unread ?? 0;
    const users = model ? model.users : this.#rooms.get(room.id)?.users ?? 0;
    parts.open = () => this.#hooks.open(room);
    Object.assign(parts.button.dataset, { name: room.name, unread });
    parts.button.classList.toggle('has-unread', unread > 0);
    if (model && this.#hooks.active() === room.id) parts.button.setAttribute('aria-current', 'true');
    else parts.button.removeAttribute('aria-current');
    parts.name.textContent = room.name;
    parts.badge.className = unread > 0 ? 'unread' : 'room-users';
    parts.count.textContent = unread > 99 ? '99+' : `${unread || users}`;
    parts.what.textContent = unread > 0 ? ' unread' : (users === 1 ? ' person' : ' people');
    return parts.item;
  }

  #newItem(id) {
    const parts = {
      name: h('span', { class: 'room-name' }),
      count: h('span'),
      what: h('span', { class: 'sr' }),
    };
    parts.badge = h('span', {}, parts.count, parts.what);
    parts.button = h('button', {
      type: 'button',
      class: 'room-item',
      dataset: { testid: 'room-item', room: id },
      onclick: () => parts.open(),
    }, parts.name, parts.badge);
    parts.item = h('li', {}, parts.button);
    this.#items.set(id, parts);
    return parts;
  }

  #wireDialog() {
    const error = byId('new-room-error');
    byId('new-room-button').onclick = () => {
      this.#name.value = '';
      error.textContent = '';
      this.#dialog.showModal();
    };
    byId('new-room-cancel').onclick = () => this.#dialog.close();
    byId('new-room-form').onsubmit = async (event) => {
      event.preventDefault();
      const name = this.#name.value.trim();
      error.textContent = name ? '' : 'Please give the room a name.';
      if (!name) return;
      try {
        const room = await this.#api.createRoom(name);
        this.#rooms.set(room.id, room);
        this.#dialog.close();
        this.#hooks.open(room);
      } catch (err) {
        error.textContent = err.code === 'name_taken' ? 'There is a room of this name already.' : explain(err);
      }
    };
  }
}
