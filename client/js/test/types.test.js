import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import * as client from '../breakwater.js';

const types = readFileSync(new URL('../index.d.ts', import.meta.url), 'utf8');

test('the types name exactly what the module exports', () => {
  const declared = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(declared.sort(), Object.keys(client).sort());
});

test('every method that the types declare exists, and no other public one', () => {
  for (const [, name, body] of types.matchAll(/^export class (\w+)[^{]*\{\n(.*?)^\}/gms)) {
    const declared = new Set([...body.matchAll(/^ {2}(\w+)(?:<[^>]*>)?\(/gm)].map((m) => m[1]));
    const { prototype } = client[name];
    const methods = Object.getOwnPropertyNames(prototype)
      .filter((key) => typeof Object.getOwnPropertyDescriptor(prototype, key).value === 'function');
    assert.deepEqual([...declared].sort(), methods.sort(), `methods of ${name}`);
  }
});
