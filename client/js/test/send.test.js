import assert from 'node:assert/strict';
import test from 'node:test';
import { joined, memoryStorage, message, settle } from './fake.js';
import { start, startJoined } from './harness.js';

const ack = (id, seq, fields = {}) => (
  { type: 'ack', id, room: 1, epoch: 1, seq, timestamp: 9, duplicate: false, ...fields });
const own = (id, seq, text) => ({ type: 'message', ...message(seq, { id, user: 'ann', text }) });
const refusal = (id, code, more) => ({ type: 'error', id, code, detail: `no: ${code}`, ...more });

test('an unacknowledged message is sent again with the same id', async () => {
  const { client, server, clock, log } = await startJoined();
  const { id } = client.send(1, 'hello');
  assert.deepEqual(server.socket.frames('send'), [{ type: 'send', id, room: 1, text: 'hello' }]);
  server.socket.fail();
  assert.equal(client.pending(1)[0].status, 'queued');
  await clock.advance(250);
  server.socket.open().push(joined(0, { recovered: true }));
  await settle();
  assert.deepEqual(server.socket.frames('send'), [{ type: 'send', id, room: 1, text: 'hello' }]);
  server.socket.push(ack(id, 1, { duplicate: true }));
  assert.deepEqual(log.sent, [{ id, room: 1, epoch: 1, seq: 1, timestamp: 9, duplicate: true }]);
  assert.deepEqual(client.pending(), []);
});

test('what was written offline goes out in order, one after the other', async () => {
  const { client, server, clock } = await startJoined();
  server.socket.fail();
  const ids = ['a', 'b', 'c'].map((text) => client.send(1, text).id);
  await clock.advance(250);
  server.socket.open().push(joined(0, { recovered: true }));
  await settle();
  for (const [i, id] of ids.entries()) {
    assert.deepEqual(server.socket.frames('send').map((f) => f.id), ids.slice(0, i + 1));
    server.socket.push(ack(id, i + 1));
  }
  assert.deepEqual(client.pending(), []);
});

for (const [name, order] of [['the ack first', ['ack', 'own']], ['the own message first', ['own', 'ack']]]) {
  test(`${name}: sent once, delivered once`, async () => {
    const { client, server, log } = await startJoined();
    const { id } = client.send(1, 'hi');
    for (const kind of order) server.socket.push(kind === 'ack' ? ack(id, 1) : own(id, 1, 'hi'));
    assert.equal(log.sent.length, 1);
    assert.deepEqual(log.seqs, [1]);
    assert.deepEqual(client.pending(), []);
  });
}

test('a message found in the playback of a resume is not sent again', async () => {
  const { client, server, clock, log } = await startJoined();
  const { id } = client.send(1, 'hi');
  server.socket.fail();
  await clock.advance(250);
  server.socket.open().push(joined(1, { recovered: true, messages: [message(1, { id, user: 'ann', text: 'hi' })] }));
  await settle();
  assert.deepEqual(server.socket.frames('send'), []);
  assert.equal(log.sent.length, 1);
});

for (const code of ['unavailable', 'rate_limited']) {
  test(`${code} is sent again with the same id after retry_after_ms and jitter, before what was written later`, async () => {
    const { client, server, clock, log } = await startJoined();
    const first = client.send(1, 'first').id;
    const second = client.send(1, 'second').id;
    server.socket.push(refusal(first, code, { retry_after_ms: 1500 }));
    await clock.advance(1749);
    assert.deepEqual(server.socket.frames('send').map((f) => f.id), [first]);
    await clock.advance(1);
    assert.deepEqual(server.socket.frames('send').map((f) => f.id), [first, first]);
    server.socket.push(ack(first, 1));
    assert.equal(server.socket.frames('send').at(-1).id, second);
    assert.deepEqual(log.refused, []);
  });
}

test('a server that goes on refusing for a while is asked more and more rarely', async () => {
  const { client, server, clock } = await startJoined();
  const { id } = client.send(1, 'hi');
  for (const [n, wait] of [1250, 1500, 2000, 3000, 5000].entries()) {
    server.socket.push(refusal(id, 'unavailable', { retry_after_ms: 1000 }));
    await clock.advance(wait - 1);
    assert.equal(server.socket.frames('send').length, n + 1);
    await clock.advance(1);
    assert.equal(server.socket.frames('send').length, n + 2);
  }
});

test('a refusal for good is told, kept for the person, and does not hold up the rest', async () => {
  const { client, server, log } = await startJoined();
  const bad = client.send(1, 'bad').id;
  const good = client.send(1, 'good').id;
  server.socket.push(refusal(bad, 'text_too_long'));
  assert.equal(log.refused[0].code, 'text_too_long');
  assert.equal(log.refused[0].detail, 'no: text_too_long');
  assert.equal(server.socket.frames('send').at(-1).id, good);
  assert.deepEqual(client.pending().map((p) => p.status), ['refused', 'sending']);
  client.discard(bad);
  assert.deepEqual(client.pending().map((p) => p.id), [good]);
});

test('a text that is too long is refused before it is sent', async () => {
  const { client, server } = await startJoined();
  assert.throws(() => client.send(1, 'é'.repeat(2049)), { code: 'text_too_long' });
  assert.throws(() => client.send(1, ''), { code: 'empty_text' });
  client.send(1, 'é'.repeat(2048));
  assert.equal(server.socket.frames('send').length, 1);
});

test('a frame that was too big is taken out before the reconnect', async () => {
  const { client, server, clock, log } = await startJoined();
  const { id } = client.send(1, 'x'.repeat(4096));
  server.socket.fail(4003);
  assert.deepEqual(log.refused.map((r) => [r.id, r.code]), [[id, 'frame_too_big']]);
  await clock.advance(250);
  server.socket.open().push(joined(0, { recovered: true }));
  await settle();
  assert.deepEqual(server.socket.frames('send'), []);
  assert.equal(client.state.state, 'open');
});

test('not_in_room joins again and then sends', async () => {
  const { client, server } = await startJoined();
  const { id } = client.send(1, 'hi');
  server.socket.push(refusal(id, 'not_in_room'));
  const [join] = server.socket.frames('join');
  assert.deepEqual(join.since, { epoch: 1, seq: 0 });
  server.socket.push(joined(0, { id: join.id, recovered: true }));
  await settle();
  assert.deepEqual(server.socket.frames('send').map((f) => f.id), [id, id]);
});

test('a send without an answer means that the connection is dead', async () => {
  const { client, server, clock } = await startJoined();
  client.send(1, 'hi');
  await clock.advance(20_000);
  assert.equal(server.sockets[0].closed, 1000);
  assert.equal(client.state.state, 'waiting');
});

test('unsent messages survive a reload, in order, and keep their ids', async () => {
  const storage = memoryStorage();
  const before = await startJoined({ storage });
  before.server.socket.fail();
  const ids = ['one', 'two'].map((text) => before.client.send(1, text).id);
  before.client.close();

  const after = start({ storage });
  assert.deepEqual(after.client.pending().map((p) => p.id), ids);
  after.client.join(1);
  after.client.connect();
  await settle();
  after.server.socket.open().push(joined(0));
  await settle();
  after.server.socket.push(ack(ids[0], 1));
  after.server.socket.push(ack(ids[1], 2));
  assert.deepEqual(after.server.socket.frames('send').map((f) => f.text), ['one', 'two']);
  assert.equal(storage.length, 0);
});

for (const [name, messages] of [['ends too early', []], ['is longer than anybody pages through', [message(1)]]]) {
  test(`a message tried long ago is not sent again where the history ${name}`, async () => {
    const storage = memoryStorage();
    const before = await startJoined({ storage });
    const { id } = before.client.send(1, 'perhaps stored');
    before.client.close();

    const after = start({ storage, clock: before.clock });
    await before.clock.advance(10 * 60_000);
    after.client.join(1);
    after.client.connect();
    await settle();
    after.server.socket.open().push(joined(90_000, { messages: [message(90_000)] }));
    await settle();
    for (let page = 0; page < 20; page++) {
      const ask = after.server.socket.frames('history')[page];
      if (!ask) break;
      const further = messages.map((m) => ({ ...m, seq: ask.after + 500 }));
      after.server.socket.push({ type: 'history', id: ask.id, room: 1, next: null, messages: further });
      await settle();
    }
    assert.deepEqual(after.server.socket.frames('send'), []);
    assert.deepEqual(after.log.refused.map((r) => [r.id, r.code]), [[id, 'unconfirmed']]);
    after.client.retry(id); // the person knows better
    assert.deepEqual(after.server.socket.frames('send').map((f) => f.id), [id]);
  });
}

test('another user on the same browser does not get them', async () => {
  const storage = memoryStorage();
  const ann = await startJoined({ storage });
  ann.client.send(1, 'mine');
  assert.deepEqual(start({ storage, user: 'ann.b' }).client.pending(), []);
  assert.equal(start({ storage }).client.pending().length, 1);
});

test('a message tried long ago is looked for in history before it is sent again', async () => {
  const storage = memoryStorage();
  const before = await startJoined({ storage });
  const stored = before.client.send(1, 'stored').id;
  before.client.close();

  const after = start({ storage, clock: before.clock });
  await before.clock.advance(10 * 60_000);
  after.client.join(1);
  after.client.connect();
  await settle();
  after.server.socket.open().push(joined(80, { messages: [message(80)] }));
  await settle();
  assert.deepEqual(after.server.socket.frames('send'), []);
  const [ask] = after.server.socket.frames('history');
  assert.equal(ask.after, 0);
  after.server.socket.push({
    type: 'history', id: ask.id, room: 1, next: null, messages: [message(1, { id: stored, user: 'ann' }), message(79)],
  });
  await settle();
  assert.deepEqual(after.server.socket.frames('send'), []);
  assert.equal(after.log.sent[0].id, stored);
});

test('the outbox is bounded', async () => {
  const { client } = start({ maxPending: 2 });
  client.join(1);
  client.send(1, 'a');
  client.send(1, 'b');
  assert.throws(() => client.send(1, 'c'), { code: 'outbox_full' });
});
