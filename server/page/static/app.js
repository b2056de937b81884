// Start of the page: log in, or go on with the session of this tab.

import { Chat } from './app/chat.js';
import { byId, storage } from './app/dom.js';
import { LoginView } from './app/login.js';
import { Panels } from './app/panels.js';
import { ChatApi, Session } from './client/breakwater.js';

// The session belongs to the tab, so that two people can try the chat in two tabs of one browser.
const api = new ChatApi({ token: () => session.token() });
const session = new Session({ api, storage: storage('sessionStorage') });

const ended = 'Your session has ended. Log in again; what was not sent is kept.';
let chat = null;

const panels = new Panels(() => chat?.focusSearch());
const login = new LoginView(session, enter);

function enter() {
  chat = new Chat({
    session,
    api,
    panels,
    onclosed: () => leave(ended),
  });
  chat.start();
}

function leave(reason = '') {
  if (!chat) return;
  const name = reason ? session.user ?? byId('me-name').textContent : '';
  const left = chat;
  chat = null;
  session.logout();
  left.stop();
  login.show({ name, reason });
}

byId('logout-button').onclick = () => leave();
session.on('expired', () => leave(ended));

if (session.restore()) enter();
else login.show();
