// A second WebSocket beside one that is to be left. It is in every room before the first one closes, so
// that nobody sees the user leave, and keeps what it hears until it takes over.

export class Handover {
  #clock;
  #socket;
  #hooks;
  #timer;
  #frames = [];
  #awaited = new Set(['']); // ids of the joins without an answer; that of the URL has none

  /**
   * `joins` are the frames for further rooms. hooks: ready(socket, frames) when it is in all of them,
   * failed() when that cannot be; one of them, once, unless it was cancelled.
   */
  constructor({ WebSocket, clock }, { url, token, joins, timeoutMs }, hooks) {
    this.#clock = clock;
    this.#hooks = hooks;
    this.#socket = new WebSocket(url, ['breakwater.v1', `bearer.${token}`]);
    this.#timer = clock.setTimeout(() => this.#fail(), timeoutMs);
    this.#socket.onopen = () => joins.forEach((join, i) => this.#join(join, `h.${i + 1}`));
    this.#socket.onmessage = (event) => this.#frame(event.data);
    this.#socket.onclose = () => this.#fail();
    for (const i of joins.keys()) this.#awaited.add(`h.${i + 1}`);
  }

  cancel() {
    this.#release();
    this.#socket.close(1000);
  }

  #join({ type, ...fields }, id) { this.#socket.send(JSON.stringify({ type, id, ...fields })); }

  #frame(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      this.#fail();
      return;
    }
    this.#frames.push(frame);
    if (frame.type === 'error') this.#fail();
    if (frame.type !== 'joined' || !this.#awaited.delete(frame.id ?? '') || this.#awaited.size > 0) return;
    this.#release();
    this.#hooks.ready(this.#socket, this.#frames);
  }

  #fail() {
    this.cancel();
    this.#hooks.failed();
  }

  #release() {
    this.#clock.clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
  }
}
