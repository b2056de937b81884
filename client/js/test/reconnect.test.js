import assert from 'node:assert/strict';
import test from 'node:test';
import { classifyClose, fullJitter } from '../breakwater.js';
import { joined, message, settle } from './fake.js';
import { start, startJoined } from './harness.js';

test('the first connection names the room, the user and the token', async () => {
  const { client, server } = start();
  client.join(7);
  client.connect();
  await settle();
  assert.equal(server.socket.url.href, 'ws://chat.test/v1/chatrooms/7/join?user=ann');
  assert.deepEqual(server.socket.protocols, ['breakwater.v1', 'bearer.token-1']);
});

test('full jitter stays below min(cap, base·2^attempt) and reaches over all of it', () => {
  const bounds = { baseMs: 500, capMs: 30_000 };
  for (let attempt = 0; attempt < 60; attempt++) {
    const ceiling = Math.min(30_000, 500 * 2 ** attempt);
    assert.equal(fullJitter(attempt, bounds, () => 0), 0);
    assert.equal(fullJitter(attempt, bounds, () => 0.5), ceiling / 2);
    assert.ok(fullJitter(attempt, bounds, () => 0.999999) < ceiling);
  }
});

test('close codes fall into their classes', () => {
  const want = {
    4000: 'stop', 4001: 'refresh', 4002: 'refresh', 4003: 'shrink', 4004: 'stop', 4099: 'stop',
    4100: 'backoff', 4101: 'backoff', 4102: 'backoff', 4200: 'at_once', 4201: 'at_once', 4202: 'at_once',
    1006: 'backoff', 1001: 'backoff', 1002: 'stop', 1003: 'stop', 1007: 'stop', 1009: 'shrink', 1011: 'backoff',
  };
  for (const [code, action] of Object.entries(want)) {
    assert.equal(classifyClose(Number(code)).action, action, `close code ${code}`);
  }
});

test('a lost connection waits twice as long each time, and anew after one that lasted', async () => {
  const { server, clock, client } = await startJoined();
  const waits = [];
  server.socket.fail();
  for (let i = 0; i < 8; i++) {
    waits.push(client.state.retryAt - clock.now());
    await clock.advance(client.state.retryAt - clock.now());
    assert.equal(client.state.state, 'connecting');
    server.socket.fail();
    await settle();
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);

  await clock.advance(15_000);
  server.socket.open().push(joined(0, { recovered: true }));
  await clock.advance(10_000);
  server.socket.fail();
  assert.equal(client.state.retryAt - clock.now(), 250);
});

test('a connection that is closed as soon as it opens is backed away from', async () => {
  const { server, clock, client } = await startJoined();
  server.socket.fail(4100);
  await clock.advance(250);
  server.socket.open().fail(4101);
  assert.equal(client.state.retryAt - clock.now(), 500);
  assert.equal(client.state.reason, 'overloaded');
});

test('every room is resumed from where it was', async () => {
  const { client, server, clock } = await startJoined();
  client.join(2);
  const [join] = server.socket.frames('join');
  assert.deepEqual(join, { type: 'join', id: join.id, room: 2 });
  server.socket.push(joined(40, { room: 2, epoch: 9, id: join.id }));
  server.socket.push({ type: 'message', ...message(1) });
  server.socket.push({ type: 'message', ...message(41, { room: 2, epoch: 9 }) });
  server.socket.fail();
  await clock.advance(250);

  assert.equal(server.socket.url.search, '?user=ann&epoch=1&since=1');
  server.socket.open();
  const [again] = server.socket.frames('join');
  assert.deepEqual(again.since, { epoch: 9, seq: 41 });
});

for (const code of [4200, 4201, 4202]) {
  test(`${code} without a window reconnects within a second, the next time with backoff`, async () => {
    const { server, clock, client } = await startJoined({ random: () => 0.9 });
    server.socket.fail(code);
    assert.equal(client.state.retryAt - clock.now(), 900);
    await clock.advance(900);
    server.socket.open().fail(code);
    assert.equal(client.state.retryAt - clock.now(), 900, 'base 500 doubled, nine tenths of it');
    await clock.advance(900);
    server.socket.open().fail(code);
    assert.equal(client.state.retryAt - clock.now(), 1800);
  });
}

for (const [code, reason] of [[4000, 'protocol_error'], [4004, 'room_deleted'], [1002, 'protocol_error'], [1007, 'protocol_error']]) {
  test(`${code} is not reconnected`, async () => {
    const { server, clock, client } = await startJoined();
    server.socket.fail(code);
    await clock.advance(600_000);
    assert.equal(server.sockets.length, 1);
    assert.equal(client.state.state, 'closed');
    assert.equal(client.state.reason, reason);
  });
}

for (const [code, reason] of [[4001, 'unauthorized'], [4002, 'token_expired']]) {
  test(`${code} asks for a fresh token and reconnects with it; 4001 for that one ends`, async () => {
    const { server, clock, client, tokens } = await startJoined();
    server.socket.fail(code);
    assert.equal(client.state.reason, reason);
    await clock.advance(500);
    assert.deepEqual(tokens, [undefined, 'token-1']);
    assert.equal(server.socket.protocols[1], 'bearer.token-2');
    server.socket.open().fail(4001);
    await clock.advance(600_000);
    assert.equal(client.state.state, 'closed');
    assert.equal(client.state.reason, 'unauthorized');
    assert.equal(server.sockets.length, 2);
  });
}

test('a token that expires again and again is replaced each time', async () => {
  const { server, clock, client } = await startJoined();
  for (let n = 2; n < 8; n++) {
    server.socket.fail(4002);
    await clock.advance(client.state.retryAt - clock.now());
    assert.equal(server.sockets.length, n);
    server.socket.open().push(joined(0, { recovered: true }));
  }
  assert.equal(client.state.state, 'open');
});

test('a token that cannot be renewed ends in closed:unauthorized', async () => {
  const { server, clock, client } = await startJoined({
    getToken: async ({ rejected }) => {
      if (rejected) throw Object.assign(new Error('no'), { status: 401 });
      return 'old';
    },
  });
  server.socket.fail(4002);
  await clock.advance(60_000);
  assert.equal(client.state.state, 'closed');
  assert.equal(client.state.reason, 'unauthorized');
  assert.equal(server.sockets.length, 1);
});

test('a failed upgrade obeys the Retry-After of a server that is not ready', async () => {
  const { server, clock, client } = await startJoined();
  server.answers.set('/readyz', { status: 503, headers: { 'retry-after': '7' } });
  server.socket.fail();
  await clock.advance(250);
  server.socket.fail();
  await settle();
  assert.equal(client.state.reason, 'busy');
  assert.equal(client.state.retryAt - clock.now(), 7250);
  client.nudge();
  assert.equal(client.state.retryAt - clock.now(), 7250, 'nothing cuts a Retry-After short');
});

test('a failed upgrade obeys the Retry-After of the join itself', async () => {
  const { server, clock, client } = await startJoined();
  server.answers.set('/v1/chatrooms/1/join', { status: 429, headers: { 'retry-after': '3' } });
  server.socket.fail();
  await clock.advance(250);
  server.socket.fail();
  await settle();
  assert.equal(client.state.retryAt - clock.now(), 3250);
  const probe = server.requests.at(-1);
  assert.equal(probe.headers.authorization, 'Bearer token-2');
});

test('an upgrade refused for its token is tried with a fresh one, once', async () => {
  const { server, clock, client, tokens } = start();
  server.answers.set('/v1/chatrooms/1/join', { status: 401, body: { code: 'unauthorized' } });
  client.join(1);
  client.connect();
  await settle();
  server.socket.fail();
  await clock.advance(0);
  assert.deepEqual(tokens, [undefined, 'token-1']);
  server.socket.fail();
  await clock.advance(60_000);
  assert.equal(client.state.reason, 'unauthorized');
  assert.equal(server.sockets.length, 2);
});

test('a room that is gone is dropped, the others go on', async () => {
  const { server, clock, client, log } = start();
  server.answers.set('/v1/chatrooms/1/join', { status: 404, body: { code: 'no_such_room' } });
  client.join(1);
  client.join(2);
  client.connect();
  await settle();
  server.socket.fail();
  await clock.advance(0);
  assert.deepEqual(log.gone, [{ room: 1, code: 'no_such_room' }]);
  assert.equal(server.socket.url.pathname, '/v1/chatrooms/2/join');
});

test('an upgrade that never ends is given up', async () => {
  const { server, clock, client } = start();
  client.join(1);
  client.connect();
  await clock.advance(15_000);
  assert.equal(server.sockets[0].closed, 1000);
  assert.equal(client.state.state, 'waiting');
});

test('online shortens the wait', async () => {
  const { server, clock, client, events } = await startJoined({ random: () => 0.5 });
  server.socket.fail();
  for (let i = 0; i < 6; i++) {
    await clock.advance(client.state.retryAt - clock.now());
    server.socket.fail();
    await settle();
  }
  assert.equal(client.state.retryAt - clock.now(), 15_000);
  events.dispatchEvent(new Event('online'));
  assert.equal(client.state.retryAt - clock.now(), 250);
});

test('a connection that is silently dead is found out when the network changes', async () => {
  const { server, clock, client, events } = await startJoined();
  events.dispatchEvent(new Event('offline'));
  assert.equal(server.socket.frames('history').length, 1);
  await clock.advance(5000);
  assert.equal(client.state.state, 'waiting');
  assert.equal(client.state.reason, 'network');
});

test('the first room may be left while connecting', async () => {
  const { server, client } = start();
  client.join(1);
  client.join(2);
  client.connect();
  await settle();
  client.leave(1);
  server.socket.open();
  assert.deepEqual(server.socket.frames('join').map((f) => f.room), [2]);
  server.socket.push(joined(0));
  assert.deepEqual(server.socket.frames('leave').map((f) => f.room), [1]);
});

test('without a room there is no connection; the next room brings it back', async () => {
  const { server, client } = await startJoined();
  client.leave(1);
  assert.equal(client.state.reason, 'no_room');
  assert.equal(server.socket.closed, 1000);
  client.join(2);
  await settle();
  assert.equal(server.sockets.length, 2);
});

test('a join refused for a while is tried again', async () => {
  const { server, client, clock } = await startJoined();
  client.join(2);
  const [join] = server.socket.frames('join');
  server.socket.push({ type: 'error', id: join.id, code: 'unavailable', detail: 'busy', retry_after_ms: 2000 });
  await clock.advance(2000);
  assert.equal(server.socket.frames('join').length, 2);
});

test('an application that leaves a room because the connection is lost does no harm', async () => {
  const { client, server, clock } = await startJoined();
  client.join(2);
  client.send(1, 'hi');
  client.on('pending', () => client.leave(2));
  server.socket.fail();
  await clock.advance(250);
  assert.equal(server.sockets.length, 2);
  server.socket.open();
  assert.deepEqual(server.socket.frames('join'), []);
});
