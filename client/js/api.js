// The HTTP side of the contract.

import { resolveEnv } from './env.js';
import { ChatError } from './errors.js';

const users = '/v1/chatrooms/users';

export class ChatApi {
  #base;
  #fetch;
  #token;
  #timeoutMs;

  /** `token` is called for every authorised request and may return a promise. */
  constructor({ baseUrl = '', token = () => '', fetch, timeoutMs = 15_000 } = {}) {
    this.#base = String(baseUrl).replace(/\/+$/, '');
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#fetch = resolveEnv({ fetch }).fetch;
  }

  get baseUrl() { return this.#base; }

  signUp(name, password) {
    return this.#call('POST', users, { body: password ? { name, password } : { name } });
  }

  login(name, password) {
    return this.#call('POST', `${users}/login`, { body: { name, password } });
  }

  /** A fresh token for the user of `token`, which must still be valid. */
  refresh(token) {
    return this.#call('POST', `${users}/token`, { token });
  }

  rooms({ limit, after } = {}) {
    return this.#call('GET', `/v1/chatrooms${query({ limit, after })}`);
  }

  room(id) {
    return this.#call('GET', `/v1/chatrooms/${id}`);
  }

  createRoom(name) {
    return this.#call('POST', '/v1/chatrooms', { body: { name }, auth: true });
  }

  users(room, { limit, after } = {}) {
    return this.#call('GET', `/v1/chatrooms/${room}/users${query({ limit, after })}`);
  }

  messages(room, { before, after, limit } = {}) {
    return this.#call('GET', `/v1/chatrooms/${room}/messages${query({ before, after, limit })}`, { auth: true });
  }

  post(room, id, text) {
    return this.#call('POST', `/v1/chatrooms/${room}/messages`, { body: { id, text }, auth: true });
  }

  /** Searches one room, or all of them when `room` is left out. */
  search(q, { room, user, from, to, limit, cursor } = {}) {
    const path = room === undefined ? '/v1/messages/search' : `/v1/chatrooms/${room}/messages/search`;
    return this.#call('GET', `${path}${query({ q, user, from, to, limit, cursor })}`, { auth: true });
  }

  /**
   * Finds out why an upgrade failed, which a browser does not tell: first whether the server is
   * ready at all, then what it answers to the same join as a plain request (426 when nothing is wrong).
   */
  async probe(joinPath, token) {
    await this.#call('GET', '/readyz');
    try {
      await this.#call('GET', joinPath, { token });
    } catch (err) {
      if (err.status !== 426) throw err;
    }
  }

  async #call(method, path, { body, auth = false, token } = {}) {
    const headers = { accept: 'application/json' };
    const bearer = token ?? (auth ? await this.#token() : '');
    if (bearer) headers.authorization = `Bearer ${bearer}`;
    if (body) headers['content-type'] = 'application/json';
    const signal = AbortSignal.timeout(this.#timeoutMs);
    let response;
    let answer;
    try {
      response = await this.#fetch(this.#base + path, {
        method, headers, signal, cache: 'no-store', body: body && JSON.stringify(body),
      });
      answer = await response.json().catch(() => null);
      signal.throwIfAborted(); // a body that stops half-way is no answer
    } catch (err) {
      if (signal.aborted) throw new ChatError('timeout', 'The server did not answer in time.', { cause: err });
      throw new ChatError('network', 'The server cannot be reached.', { cause: err });
    }
    if (!response.ok) throw problem(response, answer);
    return answer;
  }
}

function problem(response, answer) {
  const retry = Number(response.headers.get('retry-after'));
  return new ChatError(answer?.code ?? `http_${response.status}`, answer?.detail ?? answer?.title, {
    status: response.status,
    retryAfterMs: retry > 0 ? retry * 1000 : 0,
  });
}

function query(fields) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, value);
  }
  const text = params.toString();
  return text ? `?${text}` : '';
}
