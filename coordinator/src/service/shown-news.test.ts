// News of a run, heard from wherever one begins to listen, show what the run itself would show.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@kronlens/proto';
import { RunNewsSchema } from '@kronlens/proto/nats';
import { shownNews } from './shown-news.js';

test('a stage, how far it is and how it goes; its end and the next one', () => {
  const shown: unknown[] = [];
  const show = shownNews({
    begin: (...facts) => shown.push(facts),
    update: (done) => shown.push(done),
    detail: (text) => shown.push(text),
    end: () => shown.push('end'),
    note: (line) => shown.push(line),
  });
  const stage = { stage: 'curvature', total: 3, unit: 'layers' };
  const news = [
    { stage: 'eigen', total: 6, unit: 'matrices', done: 6, over: true },
    { ...stage, done: 1, detail: "'fc1': iteration 2, 0/10 pairs" },
    { note: 'careful' },
    { ...stage, done: 3, over: true },
    { stage: 'structure', total: 3, unit: 'layers' },
  ];
  for (const each of news) show(create(RunNewsSchema, each));
  assert.deepEqual(shown, [
    ['curvature', 3, 'layers'],
    "'fc1': iteration 2, 0/10 pairs",
    1,
    'careful',
    '',
    3,
    'end',
    ['structure', 3, 'layers'],
    '',
    0,
  ]);
});
