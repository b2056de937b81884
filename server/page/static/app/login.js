// Sign up or log in.

import { byId } from './dom.js';
import { explainLogin } from './words.js';

export class LoginView {
  #form = byId('login-form');
  #name = byId('login-name');
  #password = byId('login-password');
  #error = byId('login-error');
  #session;
  #done;

  constructor(session, done) {
    this.#session = session;
    this.#done = done;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit(event.submitter?.value ?? 'signup');
    });
  }

  show({ name = '', reason = '' } = {}) {
    byId('login').hidden = false;
    this.#prefer(name ? 'login' : 'signup');
    this.#name.value = name;
    this.#password.value = '';
    this.#error.textContent = reason;
    (name ? this.#password : this.#name).focus();
  }

  async #submit(action) {
    const name = this.#name.value.trim();
    const password = this.#password.value;
    this.#error.textContent = '';
    if (!name) return this.#refuse(this.#name, 'Please enter a name.');
    if (action === 'login' && !password) return this.#refuse(this.#password, 'Please enter the password of this name.');
    this.#enable(false);
    try {
      await (action === 'login' ? this.#session.login(name, password) : this.#session.signUp(name, password));
    } catch (err) {
      this.#enable(true);
      if (err.code === 'name_taken' && password) this.#prefer('login');
      return this.#refuse(err.code === 'weak_password' || err.code === 'bad_credentials' ? this.#password : this.#name, explainLogin(err));
    }
    this.#enable(true);
    this.#password.value = '';
    byId('login').hidden = true;
    return this.#done();
  }

  // The first button is what Enter means.
  #prefer(action) {
    for (const button of this.#form.querySelectorAll('button[name="action"]')) {
      button.classList.toggle('primary', button.value === action);
      if (button.value === action) button.parentElement.prepend(button);
    }
  }

  #refuse(field, words) {
    this.#error.textContent = words;
    field.focus();
  }

  #enable(on) {
    for (const element of this.#form.elements) element.disabled = !on;
  }
}
