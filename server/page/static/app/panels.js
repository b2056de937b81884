// The side panels: drawers on small screens, tabs on the right one.

import { byId } from './dom.js';

export class Panels {
  #chat = byId('chat');
  #main = byId('room');
  #drawers = [byId('rooms-panel'), byId('side-panel')];
  #backdrop = byId('backdrop');
  #tabs = [byId('people-tab'), byId('search-tab')];
  #opener = null;

  /** `onsearch` is called when the search comes up, to take the focus. */
  constructor(onsearch) {
    byId('menu-button').onclick = () => this.open('rooms');
    byId('welcome-rooms').onclick = () => this.open('rooms');
    byId('people-button').onclick = () => this.#openTab(0);
    byId('search-button').onclick = () => this.search(onsearch);
    this.#backdrop.onclick = () => this.close();
    for (const button of document.querySelectorAll('[data-close-panel]')) button.onclick = () => this.close();
    for (const [i, tab] of this.#tabs.entries()) {
      tab.onclick = () => this.#select(i);
      tab.onkeydown = (event) => {
        if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
        this.#select(1 - i);
        this.#tabs[1 - i].focus();
      };
    }
    for (const width of ['760px', '1100px']) matchMedia(`(min-width: ${width})`).onchange = () => this.close();
    document.onkeydown = (event) => {
      if (this.#chat.hidden) return;
      if (event.key === 'Escape') this.#escape();
      if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.search(onsearch);
      }
    };
  }

  open(panel) {
    const element = byId(panel === 'rooms' ? 'rooms-panel' : 'side-panel');
    if (getComputedStyle(element).position !== 'fixed') return; // no drawer: it is in view anyway
    this.#opener = document.activeElement;
    this.#chat.dataset.panel = panel;
    this.#backdrop.hidden = false;
    for (const other of [this.#main, ...this.#drawers]) other.inert = other !== element;
    byId('menu-button').setAttribute('aria-expanded', String(panel === 'rooms'));
    element.querySelector('button:not([tabindex="-1"])')?.focus();
  }

  close() {
    if (!this.#chat.dataset.panel) return;
    delete this.#chat.dataset.panel;
    this.#backdrop.hidden = true;
    for (const other of [this.#main, ...this.#drawers]) other.inert = false;
    byId('menu-button').setAttribute('aria-expanded', 'false');
    this.#opener?.focus();
    this.#opener = null;
  }

  search(focus) {
    this.#openTab(1);
    focus();
  }

  #openTab(index) {
    this.#select(index);
    this.open('side');
  }

  #escape() {
    if (this.#chat.dataset.panel && !this.#backdrop.hidden) this.close();
    else if (!byId('search-pane').hidden) {
      this.#select(0);
      byId('composer').focus();
    }
  }

  #select(index) {
    for (const [i, tab] of this.#tabs.entries()) {
      tab.setAttribute('aria-selected', String(i === index));
      tab.tabIndex = i === index ? 0 : -1;
      byId(tab.getAttribute('aria-controls')).hidden = i !== index;
    }
  }
}
