// The messages of the room that is shown: rows, scroll position, and what is not sent yet.

import { byId } from './dom.js';
import { messageRow, pendingRow } from './row.js';
import { plural } from './words.js';

const nearBottom = 60;
const nearEdge = 240;

export class LogView {
  #log = byId('message-log');
  #list = byId('message-list');
  #waiting = byId('pending-list');
  #older = byId('load-older');
  #start = byId('log-start');
  #jump = byId('jump-latest');
  #jumpText = byId('jump-text');
  #me;
  #hooks;
  #model = null;
  #fresh = 0; // live messages that came while the person was reading further up
  #stuck = true; // at the bottom, and to be kept there
  #size = ''; // of the window onto the messages, when it was last at the bottom
  #resized = new ResizeObserver(() => { if (this.#stuck) this.#toBottom(); });

  /** hooks: older(), newer(), latest(), retry(id), discard(id). */
  constructor(me, hooks) {
    this.#me = me;
    this.#hooks = hooks;
    this.#older.onclick = () => hooks.older();
    this.#jump.onclick = () => {
      this.#log.focus({ preventScroll: true }); // the button goes away
      hooks.latest();
    };
    this.#log.onscroll = () => this.#scrolled();
    this.#resized.observe(this.#log);
  }

  show(model, pending) {
    this.#model = model;
    this.#fresh = 0;
    this.#stuck = model.scrollTop === null && !model.around;
    this.#quietly(() => {
      this.#list.replaceChildren(...this.#rows(model.shown.messages, undefined));
      this.pending(pending);
    });
    this.#edges();
    if (model.scrollTop === null) this.#toBottom();
    else this.#log.scrollTop = model.scrollTop;
    this.#scrolled();
  }

  /** Live messages; `dropped` rows at the top were let go. */
  append(messages, { replay, dropped, previous }) {
    if (this.#model.around) {
      this.#fresh += messages.length;
      this.#edges();
      return;
    }
    if (this.#stuck) this.#scrolled(); // the event of a scroll may come only after this message
    const follow = this.#stuck || messages.some((m) => this.#isWaiting(m)); // not for what another tab of his sent
    const add = () => {
      for (let i = 0; i < dropped; i++) this.#list.firstChild?.remove();
      for (const m of messages) this.#isWaiting(m)?.remove();
      this.#list.append(...this.#rows(messages, previous));
    };
    if (replay) this.#quietly(add);
    else add();
    if (!follow) this.#fresh += messages.length;
    this.#edges();
    if (follow) this.#toBottom();
  }

  #isWaiting(message) { return this.#waiting.querySelector(`[data-id="${CSS.escape(message.id ?? '')}"]`); }

  /** Older messages at the top: what the person reads stays where it is. */
  prepend(messages) {
    const before = this.#log.scrollHeight - this.#log.scrollTop;
    this.#quietly(() => {
      const first = this.#model.shown.messages[messages.length];
      if (first) this.#list.firstChild?.replaceWith(messageRow(first, messages.at(-1), this.#me));
      this.#list.prepend(...this.#rows(messages, undefined));
    });
    this.#edges();
    this.#log.scrollTop = this.#log.scrollHeight - before;
  }

  /** Newer messages below a stretch around a hit; `previous` is what was the last of it. */
  extend(messages, previous) {
    this.#quietly(() => this.#list.append(...this.#rows(messages, previous)));
    this.#edges();
  }

  pending(items) {
    const rows = items.map((item) => pendingRow(item, this.#me, {
      onretry: () => this.#hooks.retry(item.id),
      ondiscard: () => this.#hooks.discard(item.id),
    }));
    const stuck = this.#stuck;
    this.#waiting.replaceChildren(...rows);
    if (stuck) this.#toBottom();
  }

  /** Brings a message into view and gives it the focus; false if it is not among those shown. */
  reveal(seq) {
    const row = this.#list.querySelector(`[data-seq="${seq}"]`);
    if (!row) return false;
    this.#stuck = false;
    row.scrollIntoView({ block: row.offsetHeight > this.#log.clientHeight ? 'start' : 'center' });
    row.focus({ preventScroll: true });
    row.classList.add('target');
    setTimeout(() => row.classList.remove('target'), 2500);
    return true;
  }

  /** What keeps the bottom in view, for example after the person sent something. */
  stick() {
    if (!this.#model.around) this.#toBottom();
  }

  stop() { this.#resized.disconnect(); }

  get filled() { return this.#log.scrollHeight > this.#log.clientHeight + nearEdge; }

  set busy(on) {
    this.#older.disabled = on;
    this.#older.textContent = on ? 'Loading…' : 'Earlier messages';
  }

  #rows(messages, previous) {
    return messages.map((m, i) => messageRow(m, messages[i - 1] ?? previous, this.#me));
  }

  // Playback is for the eyes; a screen reader is told of live messages only.
  #quietly(change) {
    this.#log.setAttribute('aria-live', 'off');
    change();
    requestAnimationFrame(() => setTimeout(() => this.#log.setAttribute('aria-live', 'polite'), 0));
  }

  #toBottom() {
    this.#stuck = true;
    this.#fresh = 0;
    this.#size = this.#windowSize();
    this.#log.scrollTop = this.#log.scrollHeight;
    if (this.#model) this.#model.scrollTop = null;
  }

  #windowSize() { return `${this.#log.clientWidth}×${this.#log.clientHeight}`; }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    if (this.#stuck && this.#size !== this.#windowSize()) { // laid out anew: nobody scrolled
      this.#toBottom();
      return;
    }
    const below = scrollHeight - scrollTop - clientHeight;
    this.#stuck = below < nearBottom && !this.#model?.around;
    if (!this.#model || this.#log.offsetParent === null) return;
    this.#model.scrollTop = this.#stuck ? null : scrollTop;
    if (this.#stuck) this.#fresh = 0;
    this.#edges();
    if (scrollTop < nearEdge && !this.#model.shown.atStart) this.#hooks.older();
    if (below < nearEdge && this.#model.around) this.#hooks.newer();
  }

  #edges() {
    const { shown, around } = this.#model;
    this.#older.hidden = shown.atStart || shown.messages.length === 0;
    this.#start.hidden = !shown.atStart;
    this.#jump.hidden = this.#stuck && !around;
    this.#jumpText.textContent = this.#fresh > 0 ? plural(this.#fresh, 'new message', 'new messages') : 'Newest messages';
  }
}
