// The box in which messages are written.

import { byId } from './dom.js';
import { explain } from './words.js';

export class ComposerView {
  #form = byId('composer-form');
  #box = byId('composer');
  #error = byId('composer-error');
  #hooks;

  /** hooks: send(text), throwing what is refused at once; typing(); changed(draft). */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.#box.onkeydown = (event) => {
      // While an input method composes a word, Enter belongs to it.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    };
    this.#box.oninput = () => {
      this.#error.textContent = '';
      this.#grow();
      hooks.changed(this.#box.value);
      if (this.#box.value.trim()) hooks.typing();
    };
  }

  set draft(text) {
    this.#box.value = text;
    this.#error.textContent = '';
    this.#grow();
  }

  focus() { this.#box.focus(); }

  #submit() {
    const text = this.#box.value.trim();
    if (!text) return;
    try {
      this.#hooks.send(text);
    } catch (err) {
      this.#error.textContent = explain(err);
      return;
    }
    this.draft = '';
    this.#hooks.changed('');
    this.#box.focus();
  }

  #grow() {
    this.#box.style.height = 'auto';
    const border = this.#box.offsetHeight - this.#box.clientHeight;
    this.#box.style.height = `${this.#box.scrollHeight + border}px`;
  }
}
