// What the page knows of a room: its newest messages, and the stretch around a search hit while the
// person looks at that. Both are runs without holes.

const maxKept = 2000;
const trimTo = 1500;
const tailSize = 200;

export class RoomModel {
  id;
  name;
  users = 0;
  joined = false;
  greeted = false; // the first playback has come; what comes later is news
  unread = 0;
  live = { messages: [], atStart: false };
  around = null; // {messages, atStart} while detached from the live end
  scrollTop = null; // where the person was, null at the bottom
  people = new Set();

  constructor(id, name) {
    this.id = id;
    this.name = name;
  }

  /** The run that is shown. */
  get shown() { return this.around ?? this.live; }

  get lastSeq() { return this.live.messages.at(-1)?.seq ?? 0; }

  /**
   * Takes up messages at the live end, those that a page of history has not brought before. The run is
   * kept bounded: `dropped` old messages are let go, or, when the person is reading among them, what
   * is shown is `detached` from the live end.
   */
  append(messages) {
    const { live } = this;
    const added = messages.filter((m) => m.seq > this.lastSeq);
    if (live.messages.length === 0 && added.length > 0) live.atStart = added[0].seq === 1;
    live.messages.push(...added);
    if (live.messages.length <= maxKept) return { added, dropped: 0, detached: false };
    if (this.scrollTop !== null && !this.around) {
      this.around = { messages: live.messages.slice(0, -tailSize), atStart: live.atStart };
      this.live = { messages: live.messages.slice(-tailSize), atStart: false };
      return { added, dropped: 0, detached: true };
    }
    const dropped = live.messages.length - trimTo;
    live.messages.splice(0, dropped);
    live.atStart = false;
    return { added, dropped, detached: false };
  }

  /** The room was joined; one without messages is known to its beginning. */
  greet(users) {
    Object.assign(this, { users, joined: true, greeted: true });
    if (this.live.messages.length === 0) this.live.atStart = true;
  }

  reset() {
    this.live = { messages: [], atStart: false };
    this.around = null;
    this.scrollTop = null;
  }

  prepend(run, messages, next) {
    run.messages.unshift(...messages);
    run.atStart = next === null || messages.length === 0;
  }

  /** Goes on after the stretch around a hit; once it meets the live end they become one. */
  extend(messages, next) {
    this.around.messages.push(...messages);
    this.#meet(next === null);
  }

  /** Shows the stretch around a message. */
  detach(older, newer) {
    this.around = { messages: [...older.messages, ...newer.messages], atStart: older.next === null };
    this.#meet(newer.next === null);
  }

  #meet(atEnd) {
    const { around, live } = this;
    const last = around.messages.at(-1)?.seq ?? 0;
    const first = live.messages[0]?.seq ?? Infinity;
    if (!atEnd && last < first - 1) return;
    const newer = live.messages.filter((m) => m.seq > last);
    this.live = { messages: [...around.messages, ...newer], atStart: around.atStart };
    this.around = null;
  }
}
