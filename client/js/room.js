// The messages of one room, made into one order without holes or doubles.

/** How many messages may be held back behind a hole before they are fetched with it instead. */
const maxHeld = 1000;
const pageSize = 500;
const attempts = 5;

export class RoomFeed {
  id;
  live = false; // joined on the present connection
  epoch = null;
  seq = null; // everything up to here has been delivered
  seenFrom = null; // everything after here has been delivered by this feed
  #hooks;
  #held = new Map(); // seq -> message, waiting for the hole below it
  #target = 0; // fetch up to here
  #filling = null; // the fill that runs, if one does

  /** hooks: deliver(messages, replay), reset(), missing(from, to), page(after, limit), pause(attempt). */
  constructor(id, hooks, since) {
    this.id = id;
    this.#hooks = hooks;
    if (since) Object.assign(this, { epoch: since.epoch, seq: since.seq, seenFrom: since.seq });
  }

  /** Where to resume, or undefined on a first join. */
  get since() {
    return this.seq === null ? undefined : { epoch: this.epoch, seq: this.seq };
  }

  /** The connection is gone: what was held back will come again with the resume. */
  lost() {
    this.live = false;
    this.#filling = null;
    this.#held.clear();
    this.#target = 0;
  }

  joined({ epoch, seq, recovered, messages }) {
    const resumed = this.seq !== null;
    this.lost();
    this.live = true;
    // Another connection may have brought more since this one asked, even of a later life of the room.
    if (recovered && resumed && epoch < this.epoch) return;
    if (recovered && resumed) {
      messages = messages.filter((m) => m.seq > this.seq);
    } else {
      if (resumed) this.#hooks.reset();
      this.seenFrom = messages.length > 0 ? messages[0].seq - 1 : seq;
    }
    this.seq = recovered && resumed && epoch === this.epoch ? Math.max(seq, this.seq) : seq;
    this.epoch = epoch;
    if (messages.length > 0) this.#hooks.deliver(messages, true);
  }

  message(m) {
    if (this.seq === null || m.epoch < this.epoch) return;
    if (m.epoch > this.epoch) this.#enter(m);
    if (m.seq <= this.seq) return;
    if (m.seq === this.seq + 1 && !this.#filling) {
      this.#advance([m], false);
      return;
    }
    this.#hold(m);
    this.#fill(m.seq - 1);
  }

  gap({ to }) {
    if (this.seq !== null && to > this.seq) this.#fill(to);
  }

  // A new epoch normally goes on above the old one. If it does not, the room was rolled back below what
  // was shown here: what the application has is no longer the room's history.
  #enter(m) {
    this.epoch = m.epoch;
    if (m.seq > this.seq) return;
    this.#hooks.reset();
    this.seq = m.seq - 1;
    this.seenFrom = this.seq;
    this.#held.clear();
  }

  #hold(m) {
    if (this.#held.size >= maxHeld) {
      this.#target = Math.max(this.#target, ...this.#held.keys());
      this.#held.clear();
    }
    this.#held.set(m.seq, m);
  }

  #advance(messages, replay) {
    const fresh = [];
    for (const m of messages) {
      if (m.seq <= this.seq) continue;
      this.seq = m.seq;
      this.epoch = Math.max(this.epoch, m.epoch);
      fresh.push(m);
    }
    for (const m of fresh) this.#held.delete(m.seq);
    if (fresh.length > 0) this.#hooks.deliver(fresh, replay);
  }

  #release() {
    const run = [];
    for (let m; (m = this.#held.get(this.seq + 1 + run.length)); ) run.push(m);
    this.#advance(run, false);
  }

  #fill(to) {
    this.#target = Math.max(this.#target, to);
    if (this.#filling) return;
    const mine = {};
    this.#filling = mine;
    const current = () => this.#filling === mine;
    this.#fillUp(current).finally(() => {
      if (current()) this.#filling = null;
    });
  }

  async #fillUp(current) {
    while (current() && this.seq < this.#target) {
      const complete = await this.#fetchTo(this.#target, current);
      if (!current()) return;
      if (!complete) this.#skip(this.#target);
      this.#release();
      if (this.#held.size > 0) this.#target = Math.max(this.#target, Math.min(...this.#held.keys()) - 1);
    }
  }

  // Pages through history until `to` is reached. A page may lag behind the live log for a moment, and
  // history may be busy, so an incomplete answer is asked for again before it is believed.
  async #fetchTo(to, current) {
    for (let attempt = 0; attempt < attempts; ) {
      const { messages } = await this.#hooks.page(this.seq, pageSize).catch(() => ({ messages: [] }));
      if (!current()) return false;
      const reached = this.seq;
      this.#advance(messages, true);
      if (this.seq >= to) return true;
      if (this.seq > reached) continue;
      await this.#hooks.pause(attempt++);
      if (!current()) return false;
    }
    return false;
  }

  // Nothing more can be had below `to`: say so, never pass over it in silence.
  #skip(to) {
    this.#hooks.missing(this.seq + 1, to);
    this.seq = to;
  }
}
