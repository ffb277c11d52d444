import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  atLeastZero,
  choice,
  choiceList,
  commaList,
  finiteNumber,
  httpAddress,
  memorySize,
  namedShape,
  positiveInteger,
  probability,
  sampleSize,
  scaleFactor,
  share,
  wholeNumber,
} from './option-values.js';

test('numbers', () => {
  assert.equal(positiveInteger('12'), 12);
  assert.equal(wholeNumber('0'), 0);
  for (const text of ['0', '-1', '1.5', 'x', '', '1e3', '99999999999999999999'])
    assert.throws(() => positiveInteger(text), /whole number of at least 1/, text);
  assert.throws(() => wholeNumber('-1'), /at least 0/);
});

test('shares, probabilities and sizes of training sets', () => {
  assert.equal(finiteNumber('-1.5'), -1.5);
  assert.equal(atLeastZero('0'), 0);
  assert.equal(share('1'), 1);
  assert.equal(probability('0.025'), 0.025);
  assert.equal(sampleSize('2'), 2);
  for (const text of ['', 'x', 'NaN', '-0.1', '1.1'])
    assert.throws(() => share(text), /from 0 to 1/);
  for (const text of ['', 'x', '0', '1', '-1', '2'])
    assert.throws(() => probability(text), /above 0 and below 1/, text);
  for (const text of ['', 'x', 'Infinity'])
    assert.throws(() => finiteNumber(text), /a number/, text);
  assert.throws(() => atLeastZero('-1'), /at least 0/);
  for (const text of ['0', '1', '2.5', 'x'])
    assert.throws(() => sampleSize(text), /at least 2/, text);
});

test('addresses to answer at are on loopback unless they say otherwise', () => {
  assert.deepEqual(httpAddress('9464'), { host: '127.0.0.1', port: 9464 });
  assert.deepEqual(httpAddress(':0'), { host: '127.0.0.1', port: 0 });
  assert.deepEqual(httpAddress('0.0.0.0:80'), { host: '0.0.0.0', port: 80 });
  assert.deepEqual(httpAddress('[::1]:80'), { host: '::1', port: 80 });
  for (const text of ['', 'x', 'host', '99999', '1:2:3', 'host:'])
    assert.throws(() => httpAddress(text), /a port or host:port/, text);
});

test('sizes and factors', () => {
  assert.equal(memorySize('2G'), 2 ** 31);
  assert.throws(() => memorySize('much'), /512M or 4G/);
  assert.equal(scaleFactor('1/255'), 1 / 255);
  assert.equal(scaleFactor('-0.5'), -0.5);
  for (const text of ['', '0', '1/0', '1/', '/2', '1/2/3', 'x'])
    assert.throws(() => scaleFactor(text), /such as 0.5 or 1\/255/, text);
});

test('lists and choices', () => {
  assert.deepEqual(commaList('a, b'), ['a', 'b']);
  assert.throws(() => commaList('a,,b'), /separated by commas/);
  const parse = choiceList(['factors', 'eigen'], ['curvature']);
  assert.deepEqual(parse('eigen,factors'), ['factors', 'eigen']);
  assert.throws(() => parse('curvature'), /'curvature' is not available yet/);
  assert.throws(() => parse('factor'), /'factor' is not one of factors, eigen/);
  assert.equal(choice(['ggn'], ['hessian'])('ggn'), 'ggn');
  assert.throws(() => choice(['ggn'], ['hessian'])('hessian'), /'hessian' is not available yet/);
  assert.throws(() => choice(['ggn'])('x'), /Choose from ggn/);
});

test('shapes by name accumulate', () => {
  const shapes = namedShape('mask=7', namedShape('x=1x28x28'));
  assert.deepEqual(
    [...shapes],
    [
      ['x', [1, 28, 28]],
      ['mask', [7]],
    ],
  );
  assert.throws(() => namedShape('1x28x28'), /Expected name=1x28x28/);
});
