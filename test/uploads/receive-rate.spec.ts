import { jest } from '@jest/globals';
import { ReceiveRate } from '../../lib/uploads/receive-rate.js';

let slow: boolean;
let rate: ReceiveRate;
beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  slow = false;
  // 100 bytes per second over ten seconds.
  rate = new ReceiveRate(100, 10_000, () => (slow = true));
});
afterEach(() => {
  rate.stop();
  jest.useRealTimers();
});

const after = (seconds: number): void => jest.advanceTimersByTime(seconds * 1000);

test('who sends nothing is slow at the end of the window', () => {
  after(9.9);
  expect(slow).toBe(false);
  after(0.2);
  expect(slow).toBe(true);
});

test('who sends just enough is not slow, in whatever pieces', () => {
  for (let window = 0; window < 3; window++) {
    rate.received(1000);
    after(10);
  }
  expect(slow).toBe(false);
});

test('what was sent in one window does not count for the next', () => {
  rate.received(1_000_000);
  after(10);
  expect(slow).toBe(false);
  after(10);
  expect(slow).toBe(true);
});

test('a byte less than enough is slow', () => {
  rate.received(999);
  after(10);
  expect(slow).toBe(true);
});

test('time in which the receiver was not ready does not count', () => {
  after(5);
  rate.pause();
  after(3600);
  expect(slow).toBe(false);
  rate.resume();
  after(4.9);
  expect(slow).toBe(false);
  after(0.2);
  expect(slow).toBe(true);
});

test('pausing and resuming twice is as once', () => {
  rate.pause();
  after(5);
  rate.pause();
  rate.resume();
  after(5);
  rate.resume();
  after(4.9);
  expect(slow).toBe(false);
  after(0.2);
  expect(slow).toBe(true);
});

test('a window that ends while the receiver is not ready ends when it is', () => {
  after(9);
  rate.pause();
  after(60);
  rate.resume();
  rate.received(1000);
  after(1.1);
  expect(slow).toBe(false);
});

test('nothing is waited for as long as the receiver is not ready', () => {
  after(5);
  rate.pause();
  after(10);
  expect(jest.getTimerCount()).toBe(0);
});

test('a window that is over just as the receiver stops begins anew when it is ready', () => {
  // Before the timer of the window, which is set at 10 s.
  setTimeout(() => rate.pause(), 12_000);
  after(5);
  rate.pause();
  after(2);
  rate.resume();
  rate.received(1000);
  after(60);
  expect(slow).toBe(false);
  rate.resume();
  after(9.9);
  expect(slow).toBe(false);
  after(0.2);
  expect(slow).toBe(true);
});

test('nothing happens after the end', () => {
  rate.stop();
  rate.resume();
  after(100);
  expect(slow).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});

test('nothing is waited for any more once somebody was slow', () => {
  after(10);
  expect(slow).toBe(true);
  rate.resume();
  expect(jest.getTimerCount()).toBe(0);
});

test('it is looked at the end of a window only', () => {
  jest.advanceTimersToNextTimer();
  expect(performance.now()).toBe(10_000);
});
