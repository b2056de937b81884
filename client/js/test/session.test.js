import assert from 'node:assert/strict';
import test from 'node:test';
import { ChatApi, Session } from '../breakwater.js';
import { FakeClock, FakeServer, memoryStorage } from './fake.js';

const hour = 3_600_000;

function world(storage = memoryStorage()) {
  const clock = new FakeClock();
  const server = new FakeServer();
  let issued = 0;
  const grant = () => ({
    status: 200, body: { id: 1, name: 'ann', token: `t${++issued}`, expires_at: clock.now() + hour },
  });
  const issuing = { get status() { return 200; }, get body() { return grant().body; } };
  server.answers.set('/v1/chatrooms/users', issuing);
  const api = new ChatApi({ baseUrl: 'http://chat.test/', fetch: server.fetch });
  const session = new Session({ api, clock, storage, random: () => 0.5 });
  const refreshes = () => server.requests.filter((r) => r.path.endsWith('/users/token'));
  return { clock, server, session, api, storage, refreshes };
}

test('a token is renewed before it expires, with the one that still holds', async () => {
  const { session, clock, refreshes } = world();
  await session.signUp('ann');
  await clock.advance(hour * 0.8);
  assert.equal(refreshes().length, 0);
  await clock.advance(hour * 0.1);
  assert.equal(refreshes().length, 1);
  assert.equal(refreshes()[0].headers.authorization, 'Bearer t1');
  assert.equal(await session.token(), 't2');
});

test('a rejected token is renewed, and callers at the same time share the request', async () => {
  const { session, refreshes } = world();
  await session.login('ann', 'a long password');
  const got = await Promise.all([session.token({ rejected: 't1' }), session.token({ rejected: 't1' })]);
  assert.deepEqual(got, ['t2', 't2']);
  assert.equal(refreshes().length, 1);
  assert.equal(await session.token({ rejected: 't1' }), 't2');
});

test('a session that cannot be renewed is over, and says so', async () => {
  const { session, server, storage } = world();
  await session.signUp('ann');
  let expired = 0;
  session.on('expired', () => { expired++; });
  server.answers.clear();
  server.answers.set('/v1/chatrooms/users/token', { status: 401, body: { code: 'unauthorized' } });
  await assert.rejects(session.token({ rejected: 't1' }), { status: 401 });
  assert.equal(session.user, null);
  assert.equal(expired, 1);
  assert.equal(storage.length, 0);
});

test('a server that cannot be reached does not end a session that still holds', async () => {
  const { session, server, clock } = world();
  await session.signUp('ann');
  server.answers.clear();
  server.answers.set('/', 'down');
  await clock.advance(hour * 0.95);
  assert.equal(await session.token(), 't1');
});

test('a session survives a reload until it expires', async () => {
  const storage = memoryStorage();
  const first = world(storage);
  await first.session.signUp('ann');
  const second = world(storage);
  assert.equal(second.session.restore(), 'ann');
  const late = world(storage);
  await late.clock.advance(2 * hour);
  assert.equal(late.session.restore(), null);
});

test('a problem document becomes an error with its code', async () => {
  const { api, server } = world();
  server.answers.clear();
  server.answers.set('/v1/chatrooms', {
    status: 429, headers: { 'retry-after': '4' }, body: { code: 'rate_limited', detail: 'Slow down.' },
  });
  await assert.rejects(api.signUp('ann'), {
    code: 'rate_limited', message: 'Slow down.', status: 429, retryAfterMs: 4000, temporary: true,
  });
  server.answers.set('/v1/chatrooms', 'down');
  await assert.rejects(api.rooms(), { code: 'network', status: 0 });
});
