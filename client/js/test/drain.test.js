import assert from 'node:assert/strict';
import test from 'node:test';
import { joined, message, settle } from './fake.js';
import { startJoined } from './harness.js';

const live = (seq, fields) => ({ type: 'message', ...message(seq, fields) });

/** Joined to rooms 1 and 2, asked to leave, and with a second connection that is open. */
async function moving(options) {
  const world = await startJoined({ random: () => 0.25, ...options });
  const old = world.server.socket;
  world.client.join(2);
  old.push(joined(7, { room: 2, id: old.frames('join')[0].id }));
  old.push(live(1));
  await settle();
  world.log.states.length = 0;
  old.push({ type: 'drain', within_ms: 8000 });
  await world.clock.advance(1999);
  assert.equal(world.server.sockets.length, 1, 'the moment was drawn');
  await world.clock.advance(1);
  assert.equal(world.server.sockets.length, 2);
  return { ...world, old, fresh: world.server.socket };
}

test('a drain is followed without being seen to leave', async () => {
  const { client, log, old, fresh } = await moving();
  assert.equal(fresh.url.search, '?user=ann&epoch=1&since=1');
  old.push(live(2));
  fresh.open();
  const [join] = fresh.frames('join');
  assert.deepEqual(join, { type: 'join', id: join.id, room: 2, since: { epoch: 1, seq: 7 } });
  fresh.push(joined(2, { recovered: true, messages: [message(2)] }));
  old.push(live(3));
  fresh.push(live(3));
  old.push(live(4));
  fresh.push(live(4));
  fresh.push(live(5));
  client.send(2, 'between two servers');
  const [first] = old.frames('send');
  assert.ok(first, 'the old connection serves until the other one is in every room');
  assert.equal(old.closed, null);

  fresh.push(joined(7, { room: 2, id: join.id, recovered: true }));
  await settle();
  assert.equal(old.closed, 1000);
  assert.deepEqual(fresh.frames('send'), [first]);
  fresh.push({ type: 'ack', id: first.id, room: 2, epoch: 1, seq: 8, timestamp: 1, duplicate: true });
  fresh.push(live(6));
  assert.deepEqual(log.seqs, [1, 2, 3, 4, 5, 6]);
  assert.equal(log.sent.length, 1);
  assert.deepEqual([log.states, log.resets, log.missing], [[], [], []]);
  assert.equal(fresh.frames('join').length, 1);
});

test('the next connection is drained in its turn', async () => {
  const { client, server, clock, fresh } = await moving();
  fresh.open();
  fresh.push(joined(1, { recovered: true })).push(joined(7, { room: 2, id: fresh.frames('join')[0].id, recovered: true }));
  await settle();
  fresh.push({ type: 'drain', within_ms: 4000 });
  await clock.advance(1000);
  assert.equal(server.sockets.length, 3);
  server.socket.fail();
  fresh.fail(4200);
  assert.equal(client.state.reason, 'draining');
});

for (const [how, fail] of [
  ['it is refused', (fresh) => fresh.fail()],
  ['it says nothing', (_, clock) => clock.advance(15_000)],
  ['it ends before it is in every room', (fresh) => fresh.open().push(joined(1, { recovered: true })).fail()],
  ['a room cannot be joined there', (fresh) => fresh.open().push(joined(1, { recovered: true }))
    .push({ type: 'error', id: fresh.frames('join')[0].id, code: 'unavailable', detail: '' })],
  ['it cannot be understood', (fresh) => fresh.open().onmessage({ data: '{' })],
]) {
  test(`where no other connection can be had the old one serves to its end: ${how}`, async () => {
    const { client, clock, log, old, fresh, server } = await moving();
    await fail(fresh, clock);
    assert.equal(fresh.closed, 1000);
    old.push(live(2));
    assert.deepEqual([log.seqs, log.states, old.closed], [[1, 2], [], null]);
    old.fail(4200);
    assert.deepEqual([client.state.state, client.state.reason], ['waiting', 'draining']);
    await clock.advance(client.state.retryAt - clock.now());
    server.socket.open().push(joined(2, { recovered: true }));
    assert.equal(client.state.state, 'open');
  });
}

test('without a fresh token the old connection stays', async () => {
  let tokens = 0;
  const { client, server, clock } = await startJoined({
    getToken: () => {
      if (tokens++ > 0) throw new Error('no token');
      return 'token';
    },
  });
  server.socket.push({ type: 'drain', within_ms: 1000 });
  await clock.advance(1000);
  assert.equal(server.sockets.length, 1);
  assert.equal(client.state.state, 'open');
});

test('a connection that is lost while the next one is made takes that one with it', async () => {
  const { client, old, fresh } = await moving();
  fresh.open().push(joined(1, { recovered: true }));
  old.fail();
  assert.equal(fresh.closed, 1000);
  assert.equal(client.state.state, 'waiting');
});

test('an application may close the client on what the new connection has brought', async () => {
  const { client, log, fresh } = await moving();
  client.on('messages', () => client.close());
  fresh.open().push(joined(2, { recovered: true, messages: [message(2)] })).push(live(3));
  fresh.push(joined(7, { room: 2, id: fresh.frames('join')[0].id, recovered: true }));
  await settle();
  assert.deepEqual([log.seqs, client.state.reason, fresh.closed], [[1, 2], 'closed', 1000]);
});

test('rooms that are joined and left meanwhile are so behind it', async () => {
  const { client, old, fresh } = await moving();
  fresh.open();
  client.leave(2);
  client.join(3);
  assert.deepEqual(old.frames('join').map((f) => f.room), [2, 3]);
  fresh.push(joined(1, { recovered: true })).push(joined(7, { room: 2, id: fresh.frames('join')[0].id, recovered: true }));
  await settle();
  assert.equal(old.closed, 1000);
  assert.deepEqual(fresh.frames('leave').map((f) => f.room), [2]);
  assert.deepEqual(fresh.frames('join').map((f) => f.room), [2, 3]);
});

test('4200 within a drain window reconnects spread over what is left of it', async () => {
  const { server, clock, client } = await startJoined({ random: () => 0.5 });
  server.socket.push({ type: 'drain', within_ms: 8000 });
  await clock.advance(2000);
  server.socket.fail(4200);
  assert.equal(client.state.retryAt - clock.now(), 3000);
  assert.equal(client.state.reason, 'draining');
});

test('one that was refused is tried again within the window', async () => {
  const { clock, old, server, fresh, log } = await moving();
  fresh.fail();
  await clock.advance(500 + 0.25 * 5500 - 1);
  assert.equal(server.sockets.length, 2);
  await clock.advance(1);
  assert.equal(server.sockets.length, 3);
  const second = server.socket;
  second.open().push(joined(1, { recovered: true }));
  second.push(joined(7, { room: 2, id: second.frames('join')[0].id, recovered: true }));
  await settle();
  assert.deepEqual([old.closed, log.states], [1000, []]);
});

test('a room may begin a life below while the next connection is made', async () => {
  const { log, old, fresh } = await moving();
  for (let seq = 2; seq < 50; seq++) old.push(live(seq));
  fresh.open().push(joined(49, { recovered: true }));
  old.push(live(10, { epoch: 2 }));
  fresh.push(joined(7, { room: 2, id: fresh.frames('join')[0].id, recovered: true }));
  await settle();
  assert.equal(old.closed, 1000);
  fresh.push(live(11, { epoch: 2 }));
  await settle();
  assert.equal(log.seqs.at(-1), 11);
});

test('an application may close the client when it hears that the old connection is gone', async () => {
  const { client, old, fresh } = await moving();
  client.send(2, 'under way');
  client.on('pending', (m) => { if (m.status === 'queued') client.close(); });
  fresh.open().push(joined(1, { recovered: true }));
  fresh.push(joined(7, { room: 2, id: fresh.frames('join')[0].id, recovered: true }));
  await settle();
  assert.deepEqual([client.state.reason, old.closed, fresh.closed], ['closed', 1000, 1000]);
});

test('what went wrong before a connection that lasted does not count for the next one', async () => {
  const { client, server, clock } = await startJoined({ random: () => 0.25 });
  server.socket.fail(4001);
  await clock.advance(5000);
  server.socket.open().push(joined(1, { recovered: true }));
  await clock.advance(3_600_000);
  server.socket.push({ type: 'drain', within_ms: 8000 });
  await clock.advance(2000);
  server.socket.open().push(joined(1, { recovered: true }));
  await clock.advance(3000);
  server.socket.fail(4001);
  await settle();
  assert.equal(client.state.state, 'waiting');
});
