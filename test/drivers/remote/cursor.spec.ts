import { CursorTrail } from '../../../lib/drivers/remote/cursor.js';

/** The steps of a listing until the circle is noticed. */
function stepsOf(before: number, circle: number): number {
  const trail = new CursorTrail();
  for (let step = 0; step < 10_000; step++) {
    const place = step < before ? step : before + ((step - before) % circle);
    try {
      trail.follow(String(place));
    } catch {
      return step + 1;
    }
  }
  return Infinity;
}

describe('the trail of a listing', () => {
  test('notices circles of any length, wherever they begin, before long', () => {
    for (let before = 0; before < 40; before++) {
      for (let circle = 1; circle < 40; circle++) {
        const steps = stepsOf(before, circle);
        expect(steps).toBeGreaterThan(before + circle);
        expect(steps).toBeLessThan(4 * (before + circle));
      }
    }
  });

  test('notices at once that the place is the one before', () => {
    for (let before = 0; before < 40; before++) expect(stepsOf(before, 1)).toBe(before + 2);
    expect(() => new CursorTrail('a').follow('a')).toThrow('repeats its cursor');
  });

  test('notices that it leads back to the cursor where it began', () => {
    const trail = new CursorTrail('a');
    trail.follow('b');
    expect(() => {
      for (const place of 'abababab') trail.follow(place);
    }).toThrow('repeats its cursor');
  });

  test('takes a listing that goes on for what it is, however long', () => {
    const trail = new CursorTrail();
    expect(() => {
      for (let place = 0; place < 5000; place++) trail.follow(String(place));
      trail.follow(undefined);
    }).not.toThrow();
  });
});
