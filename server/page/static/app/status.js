// The connection, as the person sees it.

import { byId } from './dom.js';
import { stateWords } from './words.js';

const idleReasons = new Set(['no_room', 'not_started', 'closed']);

export class StatusView {
  #badge = byId('state-badge');
  #text = byId('state-text');
  #count = byId('state-count');
  #retry = byId('retry-now');
  #note = byId('offline-note');
  #ticking = null;

  constructor(onretry) {
    this.#retry.onclick = onretry;
  }

  show(state) {
    clearInterval(this.#ticking);
    this.#badge.dataset.state = state.state;
    const words = stateWords(state);
    if (this.#text.textContent !== words) this.#text.textContent = words;
    this.#count.textContent = '';
    const idle = idleReasons.has(state.reason); // closed, and rightly so
    this.#retry.hidden = idle || state.reason === 'busy' || !['waiting', 'closed'].includes(state.state);
    this.#note.hidden = idle || state.state === 'open';
    if (state.state !== 'waiting') return;
    const tick = () => {
      const seconds = Math.ceil((state.retryAt - Date.now()) / 1000);
      this.#count.textContent = seconds > 0 ? `· ${seconds} s` : '';
    };
    tick();
    this.#ticking = setInterval(tick, 1000);
  }

  stop() { clearInterval(this.#ticking); }
}
