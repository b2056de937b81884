// Reading beyond the newest messages: pages of history above, the stretch around a search hit, and the
// way back to the live end.

import { explain } from './words.js';

const olderPage = 50;
const aroundPage = 30;

export class Reader {
  #log;
  #client;
  #api;
  #shown;
  #open;
  #loading = false;
  #wanted = null; // a hit to jump to once its room is joined

  /** shown() -> the room model that is shown, or null; open(room) shows another one. */
  constructor({ log, client, api, shown, open }) {
    this.#log = log;
    this.#client = client;
    this.#api = api;
    this.#shown = shown;
    this.#open = open;
  }

  async older() {
    const model = this.#shown();
    const run = model?.shown;
    const first = run?.messages[0];
    if (!first || run.atStart) return;
    await this.#load(async () => {
      const before = first.missing ? first.from : first.seq;
      const { messages, next } = await this.#client.history(model.id, { before, limit: olderPage });
      if (model.shown !== run) return;
      model.prepend(run, messages, next);
      if (model === this.#shown()) this.#log.prepend(messages);
    });
    const more = model === this.#shown() && run.messages[0] !== first;
    if (more && !this.#log.filled) await this.older();
  }

  async newer() {
    const model = this.#shown();
    const run = model?.around;
    if (!run) return;
    await this.#load(async () => {
      const last = run.messages.at(-1);
      const { messages, next } = await this.#client.history(model.id, { after: last.seq, limit: olderPage });
      if (model.around !== run) return;
      const length = run.messages.length;
      model.extend(messages, next);
      if (model === this.#shown()) this.#log.extend(model.shown.messages.slice(length), last);
    });
  }

  latest() {
    const model = this.#shown();
    model.around = null;
    model.scrollTop = null;
    this.#show(model);
  }

  /** Shows the message of a search hit with what is around it; rejects when that cannot be had. */
  async jump(hit) {
    this.#open(hit.room);
    const model = this.#shown();
    this.#wanted = model.joined ? null : hit;
    if (this.#wanted || this.#log.reveal(hit.seq)) return;
    const [older, newer] = await Promise.all([
      this.#api.messages(hit.room, { before: hit.seq + 1, limit: aroundPage }),
      this.#api.messages(hit.room, { after: hit.seq, limit: aroundPage }),
    ]);
    if (model !== this.#shown()) return;
    model.detach(older, newer);
    model.scrollTop = 0;
    this.#show(model);
    this.#log.reveal(hit.seq);
  }

  /** The room has its playback now: a jump that waited for it can go on. */
  joined(model) {
    if (this.#wanted?.room === model.id) this.jump(this.#wanted).catch(explain);
  }

  #show(model) {
    this.#log.show(model, this.#client.pending(model.id));
  }

  // One page at a time. What fails is asked for again by the next scroll or the button.
  async #load(work) {
    if (this.#loading) return;
    this.#loading = true;
    this.#log.busy = true;
    try {
      await work();
    } catch (err) {
      explain(err);
    } finally {
      this.#loading = false;
      this.#log.busy = false;
    }
  }
}
