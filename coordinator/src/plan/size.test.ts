import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSize, parseSize } from './size.js';

test('sizes are powers of 1024 with any common spelling', () => {
  assert.equal(parseSize('4G'), 4 * 2 ** 30);
  assert.equal(parseSize('512MiB'), 512 * 2 ** 20);
  assert.equal(parseSize('1.5gb'), 1.5 * 2 ** 30);
  assert.equal(parseSize(' 1000 '), 1000);
  assert.equal(parseSize('2 T'), 2 ** 41);
});

test('what is no size is refused', () => {
  for (const text of ['', 'G', '-1G', '0', '1e9', '4X', '4 G B', '1,5G', '9999999T'])
    assert.equal(parseSize(text), undefined, text);
});

test('bytes are shown with a unit', () => {
  assert.equal(formatSize(512), '512 B');
  assert.equal(formatSize(1536), '1.5 KiB');
  assert.equal(formatSize(200 * 2 ** 20), '200 MiB');
});
