import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressDisplay } from './progress.js';

function display(isTTY: boolean) {
  const clock = { ms: 0 };
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), isTTY, columns: 80 };
  return { clock, written, progress: new ProgressDisplay({ stream, now: () => clock.ms }) };
}

test('plain output: one line a stage, and one every ten seconds of a long one', () => {
  const { clock, written, progress } = display(false);
  progress.begin('factors', 1000, 'samples');
  clock.ms = 5000;
  progress.update(100);
  clock.ms = 10_000;
  progress.update(250);
  clock.ms = 12_000;
  progress.update(1000);
  progress.end();
  assert.deepEqual(written, [
    'factors  [######..................] 250/1,000 samples  25/s  30.0 s left\n',
    'factors  1,000 samples in 12.0 s\n',
  ]);
});

test('a terminal gets a bar that is redrawn at most ten times a second and replaced at the end', () => {
  const { clock, written, progress } = display(true);
  progress.begin('eigen', 4, 'matrices');
  clock.ms = 50;
  progress.update(1);
  clock.ms = 150;
  progress.update(2);
  progress.note('careful');
  clock.ms = 200;
  progress.update(4);
  progress.end();
  const clear = '\r\x1b[2K';
  assert.deepEqual(written, [
    `${clear}eigen    [........................] 0/4 matrices`,
    `${clear}eigen    [############............] 2/4 matrices  13.3/s  150 ms left`,
    `${clear}careful\n`,
    `${clear}eigen    [############............] 2/4 matrices  13.3/s  150 ms left`,
    `${clear}eigen    4 matrices in 200 ms\n`,
  ]);
});

test('how a stage goes is shown behind how far it is, and at the end', () => {
  const { clock, written, progress } = display(false);
  progress.begin('posterior', 100, 'epochs');
  progress.detail('base: objective 0.5');
  clock.ms = 10_000;
  progress.update(50);
  progress.end();
  assert.deepEqual(written, [
    'posterior [############............] 50/100 epochs  5/s  10.0 s left  base: objective 0.5\n',
    'posterior 50 of 100 epochs in 10.0 s  base: objective 0.5\n',
  ]);
});

test('a narrow terminal shows how a stage goes beside a shorter bar, and without its pace', () => {
  const { clock, written, progress } = display(true);
  const detail = "'fc1': iteration 12, 7/10 pairs, residual 1.2e-3";
  progress.begin('curvature', 3, 'layers');
  clock.ms = 1000;
  progress.detail(detail);
  progress.update(1);
  assert.equal(written.at(-1), `\r\x1b[2Kcurvature [##....] 1/3 layers  ${detail}`);
});

test('an interrupted stage says how far it got', () => {
  const { clock, written, progress } = display(false);
  progress.begin('factors', 1000, 'samples');
  clock.ms = 1000;
  progress.update(300);
  progress.end();
  assert.deepEqual(written, ['factors  300 of 1,000 samples in 1.0 s\n']);
});
