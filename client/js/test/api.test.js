// What the HTTP side says when there is no answer. The server is a real one, since it is about bytes
// that do not come.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import test from 'node:test';

import { ChatApi } from '../breakwater.js';

async function serve(t, handler) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

test('an answer that does not come, or not to its end, is a timeout', async (t) => {
  const begin = (response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"chatrooms":');
  for (const handler of [() => {}, (request, response) => begin(response)]) {
    const api = new ChatApi({ baseUrl: await serve(t, handler), timeoutMs: 50 });
    await assert.rejects(api.rooms(), { code: 'timeout', temporary: true });
  }
});

test('nobody there is a network error', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  await once(gone, 'close');
  await assert.rejects(new ChatApi({ baseUrl: `http://127.0.0.1:${port}` }).rooms(), { code: 'network' });
});
