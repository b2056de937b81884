/** Room ids, sequence numbers and epochs are integers below 2^53; times are milliseconds since the epoch. */

export interface Message {
  room: number;
  epoch: number;
  seq: number;
  id: string;
  user: string;
  text: string;
  timestamp: number;
}

export interface Hit extends Message {
  /** HTML-escaped text with <em>…</em> around what matched. */
  highlight: string;
}

export interface Position {
  epoch: number;
  seq: number;
}

export interface Grant {
  id: number;
  name: string;
  token: string;
  expires_at: number;
}

export interface Room {
  id: number;
  name: string;
  created_at: number;
  /** Distinct users in the room now; missing in the answer to createRoom. */
  users?: number;
}

export interface Member {
  id: number;
  name: string;
  joined_at: number;
}

/** Anything that was refused, over HTTP or the WebSocket. */
export class ChatError extends Error {
  constructor(code: string, detail?: string, options?: { status?: number; retryAfterMs?: number; cause?: unknown });
  /** A code of the contract, or `network`, `timeout`, `closed`, `outbox_full`, `unconfirmed`. */
  readonly code: string;
  /** The HTTP status, 0 where there was none. */
  readonly status: number;
  readonly retryAfterMs: number;
  /** Whether the same request may succeed later without being changed. */
  readonly temporary: boolean;
}

/** What can be replaced for tests or for surroundings other than a browser. */
export interface Surroundings {
  WebSocket?: new (url: string, protocols: string[]) => any;
  fetch?: typeof globalThis.fetch;
  clock?: {
    now(): number;
    setTimeout(fn: () => void, ms: number): unknown;
    clearTimeout(timer: any): void;
  };
  /** A number in [0, 1). */
  random?: () => number;
  /** Where `online` and `offline` events come from; default the window. */
  events?: Pick<EventTarget, 'addEventListener' | 'removeEventListener'> | null;
}

/** Web Storage, or a part of it. */
export type KeyStorage = Pick<Storage, 'length' | 'key' | 'getItem' | 'setItem' | 'removeItem'>;

export interface ApiOptions {
  /** `https://host[:port]`; default: the page's own origin. */
  baseUrl?: string;
  token?: () => string | Promise<string>;
  fetch?: typeof globalThis.fetch;
  /** How long to wait for a whole answer; then the error is `timeout`. Default 15,000. */
  timeoutMs?: number;
}

/** The HTTP side. Every method rejects with a ChatError. */
export class ChatApi {
  constructor(options?: ApiOptions);
  readonly baseUrl: string;
  signUp(name: string, password?: string): Promise<Grant>;
  login(name: string, password: string): Promise<Grant>;
  /** Exchanges a token that is still valid for a fresh one. */
  refresh(token: string): Promise<Grant>;
  rooms(page?: { limit?: number; after?: number | string }): Promise<{ chatrooms: Room[]; next: number | string | null }>;
  room(id: number): Promise<Room>;
  createRoom(name: string): Promise<Room>;
  users(room: number, page?: { limit?: number; after?: number | string }):
    Promise<{ count: number; users: Member[]; next: number | string | null }>;
  /** Oldest first; `next` is the next `before` (or `after`, if that was given), null at the end. */
  messages(room: number, page?: { before?: number; after?: number; limit?: number }):
    Promise<{ epoch: number; messages: Message[]; next: number | null }>;
  post(room: number, id: string, text: string):
    Promise<{ epoch: number; seq: number; timestamp: number; duplicate: boolean }>;
  /** Newest first; over all rooms when `room` is left out. */
  search(q: string, options?: {
    room?: number; user?: string; from?: number; to?: number; limit?: number; cursor?: string;
  }): Promise<{ hits: Hit[]; total: number; cursor: string | null }>;
  /** Rejects with the reason why a WebSocket upgrade at that path fails; resolves if none is found. */
  probe(joinPath: string, token: string): Promise<void>;
}

export interface SessionOptions extends Pick<Surroundings, 'clock' | 'random'> {
  api: ChatApi;
  /** Keeps the session over a reload. It will hold the token: prefer sessionStorage. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
  key?: string;
}

/** Who is logged in, with a token that is refreshed before it expires. */
export class Session {
  constructor(options: SessionOptions);
  readonly user: string | null;
  readonly expiresAt: number | null;
  signUp(name: string, password?: string): Promise<string>;
  login(name: string, password: string): Promise<string>;
  /** Takes up a stored session; the user's name, or null if there is none that holds. */
  restore(): string | null;
  logout(): void;
  /** Fits `getToken` of a ChatClient. Rejects with status 401 when only a new login helps. */
  token(options?: { rejected?: string }): Promise<string>;
  refresh(): Promise<void>;
  /** `token`: there is a new one. `expired`: it could not be renewed; log in again. */
  on(type: 'token', listener: (detail: { user: string; expiresAt: number }) => void): () => void;
  on(type: 'expired', listener: () => void): () => void;
}

export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'closed';

export interface StateEvent {
  state: ConnectionState;
  /**
   * Why: `connected`, `network`, `unreachable`, `busy`, `draining`, `fenced`, `resync`, `slow_consumer`,
   * `overloaded`, `rate_limited`, `token_expired`, `token_rejected`, and when closed: `not_started`, `closed`,
   * `no_room`, `unauthorized`, `not_your_name`, `protocol_error`, `frame_too_big`, `room_deleted`.
   */
  reason: string;
  /** Attempts since the last connection that lasted. */
  attempt: number;
  /** While waiting: when the next attempt comes. */
  retryAt?: number;
}

export interface PendingMessage {
  id: string;
  room: number;
  text: string;
  /** When it was written. */
  at: number;
  /** `refused` ones stay until they are discarded or retried; the others send themselves. */
  status: 'queued' | 'sending' | 'refused';
  code?: string;
  detail?: string;
}

export interface ClientEvents {
  state: StateEvent;
  /**
   * Every message of a joined room, each once and in order: `replay` for playback, resume and filled
   * gaps, otherwise live (an array of one).
   */
  messages: { room: number; messages: Message[]; replay: boolean };
  /** The position could not be resumed: forget the room's messages; the newest follow. */
  reset: { room: number };
  /** These could not be had, live or from history; what comes next goes on after them. */
  missing: { room: number; from: number; to: number };
  /** Comes after the playback's messages. `users` is the number of users in the room. */
  joined: { room: number; epoch: number; seq: number; recovered: boolean; users: number };
  /** `users` is the true count; the lists are capped. */
  presence: { room: number; users: number; joined: string[]; left: string[] };
  typing: { room: number; user: string };
  /** A message of ours is in the log; it comes once, before or after the message itself. */
  sent: { id: string; room: number; epoch: number; seq: number; timestamp: number; duplicate: boolean };
  /** The status of an unsent message changed. */
  pending: PendingMessage;
  /** The server will not take this message as it is. */
  refused: PendingMessage;
  /** The room cannot be joined (any more) and has been dropped. */
  gone: { room: number; code: string };
  /** An error of the server that belongs to no request. */
  error: ChatError;
}

export interface ClientOptions extends Surroundings {
  user: string;
  /** A token for the next connection. `rejected` is one that the server has just refused. */
  getToken: (options: { rejected?: string }) => Promise<string> | string;
  /** `http(s)://host[:port]`; default: the page's own origin. */
  baseUrl?: string;
  /** Keeps unsent messages over a reload, for example localStorage. */
  storage?: KeyStorage | null;
  /** Backoff: anywhere below min(capMs, baseMs·2^attempt). Defaults 500 and 30,000. */
  baseMs?: number;
  capMs?: number;
  /** Over which time to spread an immediate reconnect when no drain window was announced. Default 1,000. */
  spreadMs?: number;
  /** Over which time to spread a reconnect when the network came back. Default 500. */
  hastenMs?: number;
  /** A connection that lasted this long starts the backoff anew. Default 10,000. */
  stableMs?: number;
  connectTimeoutMs?: number;
  requestTimeoutMs?: number;
  probeTimeoutMs?: number;
  /** A send without an answer for so long means that the connection is dead. Default 20,000. */
  ackTimeoutMs?: number;
  typingMs?: number;
  /** How long to trust the server to know an id again. Default 240,000. */
  dedupeMs?: number;
  /** Unanswered sends a room; above 1 a send refused for a while may be overtaken. Default 1. */
  maxInFlight?: number;
  /** Unsent messages kept. Default 500. */
  maxPending?: number;
  /** Checked before sending, 0 leaves it to the server. Default 4,096. */
  maxTextBytes?: number;
}

export class ChatClient {
  constructor(options: ClientOptions);
  readonly state: StateEvent;
  readonly user: string;
  /** Ids of the joined rooms, in the order of joining. */
  readonly rooms: number[];
  /** Returns a function that takes the listener away. */
  on<K extends keyof ClientEvents>(type: K, listener: (detail: ClientEvents[K]) => void): () => void;
  /** Connects, and stays connected, once a room is joined. */
  connect(): void;
  close(): void;
  /** Joins now or as soon as there is a connection, and again after every reconnect. */
  join(room: number, options?: { since?: Position }): void;
  leave(room: number): void;
  /**
   * Keeps the message until the server has acknowledged it. Throws a ChatError `empty_text`,
   * `text_too_long` or `outbox_full`; everything later comes as an event.
   */
  send(room: number, text: string): PendingMessage;
  pending(room?: number): PendingMessage[];
  retry(id: string): void;
  discard(id: string): void;
  typing(room: number): void;
  /** A page of a joined room, oldest first. Rejects with a ChatError. */
  history(room: number, page?: { before?: number; after?: number; limit?: number }):
    Promise<{ messages: Message[]; next: number | null }>;
  /** Tells that the network or the page's visibility changed: reconnect sooner, or check the connection. */
  nudge(): void;
}

/** What a close code asks of a client. */
export function classifyClose(code: number):
  { action: 'stop' | 'refresh' | 'shrink' | 'at_once' | 'backoff'; reason: string };

/** Anywhere in [0, min(capMs, baseMs·2^attempt)). */
export function fullJitter(attempt: number, bounds: { baseMs: number; capMs: number }, random: () => number): number;
