// Who is writing in the room that is shown.

import { byId } from './dom.js';

// The server tells at most once in three seconds; a little longer bridges the journey.
const lastsMs = 4500;

export class TypingView {
  #line = byId('typing-line');
  #until = new Map(); // user -> timer
  #me;

  constructor(me) { this.#me = me; }

  clear() {
    for (const user of [...this.#until.keys()]) this.stopped(user);
  }

  started(user) {
    if (user === this.#me) return;
    clearTimeout(this.#until.get(user));
    this.#until.set(user, setTimeout(() => this.stopped(user), lastsMs));
    this.#render();
  }

  stopped(user) {
    clearTimeout(this.#until.get(user));
    if (this.#until.delete(user)) this.#render();
  }

  #render() {
    const users = [...this.#until.keys()];
    const words = [
      '',
      `${users[0]} is typing…`,
      `${users[0]} and ${users[1]} are typing…`,
    ][users.length] ?? `${users.length} people are typing…`;
    this.#line.textContent = words;
  }
}
