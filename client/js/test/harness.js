import { ChatClient } from '../breakwater.js';
import { FakeClock, FakeServer, joined, memoryStorage, settle } from './fake.js';

/** A client in a fake world, with everything it tells recorded. */
export function start(options = {}) {
  const clock = options.clock ?? new FakeClock();
  const server = options.server ?? new FakeServer();
  server.answers.set('/readyz', { status: 200 });
  const tokens = [];
  const events = new EventTarget();
  const client = new ChatClient({
    user: 'ann',
    baseUrl: 'http://chat.test',
    getToken: async ({ rejected }) => {
      tokens.push(rejected);
      return `token-${tokens.length}`;
    },
    clock,
    events,
    random: () => 0.5,
    storage: memoryStorage(),
    ...options,
    WebSocket: server.WebSocket,
    fetch: server.fetch,
  });
  const log = { states: [], seqs: [], resets: [], sent: [], refused: [], gone: [], missing: [], replays: [] };
  client.on('state', (s) => log.states.push(`${s.state}:${s.reason}`));
  client.on('messages', ({ messages, replay }) => {
    log.seqs.push(...messages.map((m) => m.seq));
    log.replays.push(replay);
  });
  client.on('reset', ({ room }) => log.resets.push(room));
  client.on('sent', (s) => log.sent.push(s));
  client.on('refused', (r) => log.refused.push(r));
  client.on('gone', (g) => log.gone.push(g));
  client.on('missing', (m) => log.missing.push(m));
  return { client, clock, server, tokens, events, log };
}

/** The same, joined to room 1 at seq 0. */
export async function startJoined(options = {}) {
  const world = start(options);
  world.client.join(1);
  world.client.connect();
  await settle();
  world.server.socket.open().push(joined(0));
  await settle();
  return world;
}
