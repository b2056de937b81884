// The chat of one person: joins the client's events and the views.

import { ChatClient } from '../client/breakwater.js';
import { ComposerView } from './composer.js';
import { byId, paintAvatar, storage } from './dom.js';
import { Drafts } from './drafts.js';
import { LogView } from './log-view.js';
import { PeopleView } from './people.js';
import { Reader } from './reader.js';
import { RoomListView } from './room-list.js';
import { RoomModel } from './room-model.js';
import { SearchView } from './search.js';
import { StatusView } from './status.js';
import { TypingView } from './typing.js';
import { explain } from './words.js';

export class Chat {
  #me;
  #api;
  #panels;
  #client;
  #models = new Map(); // joined rooms by id
  #active = null;
  #log;
  #reader;
  #rooms;
  #people;
  #typing;
  #search;
  #status;
  #composer;
  #drafts;
  #listing; // the first reading of the list of rooms
  #onvisible = () => this.#looked();

  constructor({ session, api, panels, onclosed }) {
    this.#me = session.user;
    this.#api = api;
    this.#panels = panels;
    this.#drafts = new Drafts(this.#me);
    this.#client = new ChatClient({ user: this.#me, getToken: (o) => session.token(o), storage: storage('localStorage') });
    this.#log = new LogView(this.#me, {
      older: () => this.#reader.older(),
      newer: () => this.#reader.newer(),
      latest: () => this.#reader.latest(),
      retry: (id) => { this.#client.retry(id); this.#showPending(); },
      discard: (id) => {
        this.#client.discard(id);
        this.#showPending();
        this.#composer.focus();
      },
    });
    this.#reader = new Reader({
      log: this.#log, client: this.#client, api, shown: () => this.#active, open: (id) => this.open(id, this.#name(id)),
    });
    this.#rooms = new RoomListView(api, {
      open: (room) => this.open(room.id, room.name),
      models: () => this.#models,
      active: () => this.#active?.id ?? null,
      changed: () => this.#listed(),
    });
    this.#people = new PeopleView(api, this.#me);
    this.#typing = new TypingView(this.#me);
    this.#status = new StatusView(() => this.#again());
    this.#composer = new ComposerView({
      send: (text) => this.#send(text),
      typing: () => this.#client.typing(this.#active.id),
      changed: (text) => this.#drafts.set(this.#active.id, text),
    });
    this.#search = new SearchView(api, {
      room: () => this.#active?.id ?? null,
      name: (id) => this.#name(id),
      jump: (hit) => this.#reader.jump(hit).catch((err) => {
        byId('search-summary').textContent = explain(err);
      }),
    });
    this.#wire(onclosed);
  }

  start() {
    byId('chat').hidden = false;
    byId('me-name').textContent = this.#me;
    paintAvatar(byId('me-avatar'), this.#me);
    byId('leave-button').onclick = () => this.#leave(this.#active.id);
    document.addEventListener('visibilitychange', this.#onvisible);
    this.#status.show(this.#client.state);
    this.#people.show(null);
    const wanted = this.#remembered();
    for (const [id, name] of wanted.rooms) this.#join(id, name);
    if (wanted.active !== null) this.open(wanted.active, this.#name(wanted.active));
    else this.#showActive();
    this.#client.connect();
    this.#listing = this.#rooms.start().then(() => this.#learn());
    this.#keepFocus();
  }

  // What had the focus has gone: it must not fall to the page as a whole.
  #keepFocus() {
    if (document.activeElement !== document.body) return;
    if (!this.#active) byId('new-room-button').focus();
    else if (matchMedia('(hover: hover)').matches) this.#composer.focus();
  }

  stop() {
    document.removeEventListener('visibilitychange', this.#onvisible);
    for (const view of [this.#rooms, this.#people, this.#status, this.#log]) view.stop();
    this.#typing.clear();
    this.#search.clear();
    this.#panels.close();
    this.#client.close();
    this.#active = null;
    this.#models.clear();
    this.#showActive();
    byId('chat').hidden = true;
    document.title = 'Breakwater';
  }

  open(id, name) {
    if (!this.#models.has(id) && !this.#rooms.known.has(id)) this.#rooms.learn(id);
    this.#join(id, name);
    this.#active = this.#models.get(id);
    this.#panels.close();
    this.#showActive();
    this.#remember();
    if (matchMedia('(hover: hover)').matches) this.#composer.focus(); // on a phone it would raise the keyboard
  }

  focusSearch() { this.#search.focus(); }

  #wire(onclosed) {
    const on = (type, listener) => this.#client.on(type, listener);
    const model = (listener) => (detail) => {
      const found = this.#models.get(detail.room);
      if (found) listener(found, detail);
    };
    on('state', (state) => {
      this.#status.show(state);
      if (state.state === 'open') this.#askNames();
      else this.#typing.clear();
      if (state.state === 'closed' && ['unauthorized', 'not_your_name'].includes(state.reason)) onclosed();
    });
    on('messages', model((m, detail) => this.#messages(m, detail)));
    on('reset', model((m) => this.#reset(m)));
    on('missing', model((m, { from, to }) => {
      this.#messages(m, { messages: [{ missing: true, from, to, seq: to }], replay: true });
    }));
    on('joined', model((m, { users }) => this.#joined(m, users)));
    on('presence', model((m, detail) => {
      this.#people.changed(m, detail);
      this.#rooms.render();
    }));
    on('typing', model((m, { user }) => { if (m === this.#active) this.#typing.started(user); }));
    on('sent', model((m, { id, seq }) => this.#sent(m, id, seq)));
    on('pending', model((m) => { if (m === this.#active) this.#showPending(); }));
    on('refused', model((m) => { if (m === this.#active) this.#showPending(); }));
    on('gone', model((m, { code }) => this.#gone(m, code)));
  }

  #join(id, name) {
    if (this.#models.has(id)) return;
    this.#models.set(id, new RoomModel(id, name));
    this.#client.join(id);
    this.#remember();
  }

  #leave(id) {
    this.#client.leave(id);
    this.#dropped(id);
    this.#keepFocus();
    this.#rooms.refresh();
  }

  // The list may never have come while the server was away. Where it has, ten thousand people who come
  // back at once ask nothing.
  async #askNames() {
    await this.#listing;
    if (this.#unknown().length === 0) return;
    await this.#rooms.refresh();
    this.#learn();
  }

  #learn() {
    for (const id of this.#unknown()) this.#rooms.learn(id);
  }

  #unknown() { return [...this.#models.keys()].filter((id) => !this.#rooms.known.has(id)); }

  #gone(model, code) {
    this.#dropped(model.id);
    this.#rooms.known.delete(model.id);
    this.#rooms.render();
    byId('rooms-error').textContent = `${model.name}: ${explain({ code })}`;
  }

  #dropped(id) {
    this.#models.delete(id);
    if (this.#active?.id === id) {
      this.#active = this.#models.values().next().value ?? null;
      this.#showActive();
    }
    this.#rooms.render();
    this.#remember();
  }

  #joined(model, users) {
    model.greet(users);
    this.#rooms.render();
    if (model !== this.#active) return;
    this.#people.reload(500);
    this.#log.show(model, this.#pending(model));
    this.#reader.joined(model);
  }

  #messages(model, { messages, replay }) {
    const previous = model.live.messages.at(-1);
    const { added, dropped, detached } = model.append(messages);
    if (model === this.#active) {
      if (detached) this.#log.show(model, this.#pending(model));
      else this.#log.append(added, { replay, dropped, previous });
      for (const m of added) this.#typing.stopped(m.user);
    }
    const looking = model === this.#active && document.visibilityState === 'visible';
    if (looking || !model.greeted) return;
    model.unread += added.filter((m) => !m.missing && m.user !== this.#me).length;
    this.#rooms.render();
    this.#title();
  }

  #reset(model) {
    model.reset();
    if (model === this.#active) this.#log.show(model, this.#pending(model));
  }

  // The message itself may still be on its way; its row stays until it is there.
  #sent(model, id, seq) {
    if (model !== this.#active) return;
    const row = document.querySelector(`#pending-list [data-id="${CSS.escape(id)}"]`);
    if (!row || seq <= model.lastSeq || model.around) this.#showPending();
    else row.dataset.status = 'sent';
  }

  #send(text) {
    if (this.#active.around) this.#reader.latest();
    this.#client.send(this.#active.id, text);
    this.#showPending();
    this.#log.stick();
  }

  #pending(model) { return this.#client.pending(model.id); }

  #showPending() {
    if (this.#active) this.#log.pending(this.#pending(this.#active));
  }

  #showActive() {
    const model = this.#active;
    byId('welcome').hidden = model !== null;
    byId('conversation').hidden = model === null;
    byId('leave-button').hidden = model === null;
    byId('room-title').textContent = model?.name ?? 'Breakwater';
    this.#typing.clear();
    this.#people.show(model);
    this.#search.roomChanged();
    if (model) {
      this.#composer.draft = this.#drafts.get(model.id);
      this.#log.show(model, this.#pending(model));
    }
    this.#seen();
  }

  #seen() {
    if (document.visibilityState !== 'visible') return;
    if (this.#active) this.#active.unread = 0;
    this.#rooms.render();
    this.#title();
  }

  // The page came into view again, perhaps after the machine slept.
  #looked() {
    if (document.visibilityState !== 'visible') return;
    this.#client.nudge();
    this.#rooms.refresh();
    this.#seen();
  }

  #again() {
    if (this.#client.state.state === 'closed') this.#client.connect();
    else this.#client.nudge();
  }

  #title() {
    const models = [...this.#models.values()];
    const unread = models.reduce((sum, model) => sum + model.unread, 0);
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${this.#active ? `${this.#active.name} · ` : ''}Breakwater`;
    byId('menu-unread').hidden = !models.some((model) => model !== this.#active && model.unread > 0);
  }

  #name(id) {
    return this.#models.get(id)?.name ?? this.#rooms.known.get(id)?.name ?? `Room ${id}`;
  }

  // The list may bring the name of a room that was joined by its number.
  #listed() {
    for (const model of this.#models.values()) model.name = this.#rooms.known.get(model.id)?.name ?? model.name;
    if (this.#active) byId('room-title').textContent = this.#active.name;
    this.#remember();
    const none = this.#rooms.known.size === 0;
    byId('welcome-title').textContent = none ? 'No rooms yet' : 'Choose a room';
    byId('welcome-text').textContent = none ? 'Open the first one with “New room”.' : 'Pick one from the list, or open a new one.';
  }

  get #key() { return `breakwater.joined.${this.#me}`; }

  #remember() {
    const state = { rooms: [...this.#models.values()].map(({ id, name }) => [id, name]), active: this.#active?.id ?? null };
    storage('sessionStorage')?.setItem(this.#key, JSON.stringify(state));
  }

  // Rooms with unsent messages are joined too, or these would never leave.
  #remembered() {
    const { rooms = [], active = null } = JSON.parse(storage('sessionStorage')?.getItem(this.#key) ?? '{}');
    const pending = this.#client.pending().map(({ room }) => [room, this.#name(room)]);
    return { rooms: new Map([...pending, ...rooms]), active };
  }
}
