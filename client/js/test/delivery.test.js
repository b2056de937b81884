import assert from 'node:assert/strict';
import test from 'node:test';
import { joined, message, settle } from './fake.js';
import { startJoined } from './harness.js';

const live = (seq, fields) => ({ type: 'message', ...message(seq, fields) });
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));

test('playback, then live messages, each once', async () => {
  const { server, log } = await startJoined();
  server.socket.push(live(1)).push(live(2)).push(live(2)).push(live(1)).push(live(3));
  assert.deepEqual(log.seqs, [1, 2, 3]);
  assert.deepEqual(log.replays, [false, false, false]);
});

test('a resume delivers only what is new', async () => {
  const { server, clock, log } = await startJoined();
  server.socket.push(live(1)).push(live(2)).fail();
  await clock.advance(250);
  server.socket.open().push(joined(5, { recovered: true, messages: range(2, 5) })).push(live(6));
  assert.deepEqual(log.seqs, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(log.resets, []);
});

test('a resume that was not possible resets the room first', async () => {
  const { server, clock, log } = await startJoined();
  server.socket.push(live(1)).fail();
  await clock.advance(250);
  server.socket.open().push(joined(900, { messages: range(851, 900) }));
  assert.deepEqual(log.resets, [1]);
  assert.deepEqual(log.seqs, [1, ...range(851, 900).map((m) => m.seq)]);
});

test('a gap is fetched and delivered in order, before what came behind it', async () => {
  const { server, log } = await startJoined();
  server.socket.push(live(1));
  server.socket.push({ type: 'gap', room: 1, epoch: 1, from: 2, to: 4 });
  server.socket.push(live(5)).push(live(6));
  assert.deepEqual(log.seqs, [1]);
  const [ask] = server.socket.frames('history');
  assert.deepEqual(ask, { type: 'history', id: ask.id, room: 1, after: 1, limit: 500 });
  server.socket.push({ type: 'history', id: ask.id, room: 1, messages: range(2, 6), next: null });
  await settle();
  server.socket.push(live(7));
  assert.deepEqual(log.seqs, [1, 2, 3, 4, 5, 6, 7]);
});

test('a hole that nobody announced is fetched too, over several pages', async () => {
  const { server, log } = await startJoined();
  server.socket.push(live(1)).push(live(9));
  const [first] = server.socket.frames('history');
  server.socket.push({ type: 'history', id: first.id, room: 1, messages: range(2, 5), next: 5 });
  await settle();
  const second = server.socket.frames('history')[1];
  assert.equal(second.after, 5);
  server.socket.push({ type: 'history', id: second.id, room: 1, messages: range(6, 8), next: null });
  await settle();
  assert.deepEqual(log.seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('what cannot be had is told, and the room goes on', async () => {
  const { server, clock, log } = await startJoined();
  server.socket.push(live(1)).push({ type: 'gap', room: 1, epoch: 1, from: 2, to: 3 }).push(live(4));
  for (let i = 0; i < 5; i++) {
    const ask = server.socket.frames('history')[i];
    server.socket.push({ type: 'history', id: ask.id, room: 1, messages: [], next: null });
    await clock.advance(30_000);
  }
  assert.deepEqual(log.missing, [{ room: 1, from: 2, to: 3 }]);
  assert.deepEqual(log.seqs, [1, 4]);
});

test('a connection lost during a fetch resumes from the last message delivered', async () => {
  const { server, clock, log } = await startJoined();
  server.socket.push(live(1)).push(live(4)).fail();
  await clock.advance(250);
  assert.equal(server.socket.url.searchParams.get('since'), '1');
  server.socket.open().push(joined(4, { recovered: true, messages: range(2, 4) }));
  await settle();
  assert.deepEqual(log.seqs, [1, 2, 3, 4]);
});

test('a flood behind a hole is not kept in memory without bound', async () => {
  const { server, log } = await startJoined();
  server.socket.push(live(1));
  for (let seq = 3; seq <= 1500; seq++) server.socket.push(live(seq));
  while (log.seqs.length < 1500) {
    const ask = server.socket.frames('history').at(-1);
    const to = Math.min(ask.after + 500, 1500);
    server.socket.push({ type: 'history', id: ask.id, room: 1, messages: range(ask.after + 1, to), next: null });
    await settle();
  }
  assert.deepEqual(log.seqs, range(1, 1500).map((m) => m.seq));
});

test('a new epoch above the old one goes on; one that was rolled back resets', async () => {
  const { server, log } = await startJoined();
  server.socket.push(live(1)).push(live(2, { epoch: 2 }));
  assert.deepEqual(log.resets, []);
  server.socket.push(live(3)); // of the old epoch: nothing of it is valid any more
  server.socket.push(live(2, { epoch: 3, id: 'other' }));
  assert.deepEqual(log.resets, [1]);
  assert.deepEqual(log.seqs, [1, 2, 2]);
});

test('history pages are asked for by id', async () => {
  const { client, server } = await startJoined();
  const page = client.history(1, { before: 10, limit: 20 });
  const [ask] = server.socket.frames('history');
  assert.deepEqual(ask, { type: 'history', id: ask.id, room: 1, before: 10, limit: 20 });
  server.socket.push({ type: 'history', id: ask.id, room: 1, messages: range(1, 9), next: null });
  assert.equal((await page).messages.length, 9);

  const refused = client.history(1, { before: 10 });
  const second = server.socket.frames('history')[1];
  server.socket.push({ type: 'error', id: second.id, code: 'unavailable', detail: 'later', retry_after_ms: 100 });
  await assert.rejects(refused, { code: 'unavailable', retryAfterMs: 100, temporary: true });

  const lost = client.history(1);
  server.socket.fail();
  await assert.rejects(lost, { code: 'closed' });
});

test('typing is sent at most once in three seconds', async () => {
  const { client, server, clock } = await startJoined();
  client.typing(1);
  client.typing(1);
  await clock.advance(3000);
  client.typing(1);
  assert.equal(server.socket.frames('typing').length, 2);
});

test('a listener that throws does not keep a message from the others', async (t) => {
  const { client, server, log } = await startJoined();
  const reported = [];
  globalThis.reportError = (err) => reported.push(err.message);
  t.after(() => { delete globalThis.reportError; });
  client.on('messages', () => { throw new Error('a broken listener'); });
  const later = [];
  client.on('messages', ({ messages }) => later.push(messages[0].seq));
  server.socket.push(live(1));
  assert.deepEqual([log.seqs, later], [[1], [1]]);
  assert.deepEqual(reported, ['a broken listener']);
});
