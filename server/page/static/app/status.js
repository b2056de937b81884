// The connection, as the person sees it.

import { byId } from './dom.js';
import { stateWords } from './words.js';

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
    this.#retry.hidden = state.state !== 'waiting' || state.reason === 'busy';
    this.#note.hidden = state.state === 'open' || state.reason === 'no_room';
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
