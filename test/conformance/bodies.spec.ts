import { someBytes } from '../../lib/testing/conformance/bodies.js';

describe('the bytes of the kit', () => {
  it.each([0, 1, 2, 3, 4, 300, 65_537])('are %i, alone in their buffer', (size) => {
    const bytes = someBytes(size);
    expect([bytes.length, bytes.buffer.byteLength]).toEqual([size, size]);
  });

  it('are the same each time, and others with another seed', () => {
    expect(someBytes(301, 7)).toEqual(someBytes(301, 7));
    expect(someBytes(301, 7)).not.toEqual(someBytes(301, 8));
  });

  it('begin no two chunks alike', () => {
    const bytes = someBytes(1024 * 1024);
    const beginnings = new Set<string>();
    for (let start = 0; start < bytes.length; start += 1024) {
      beginnings.add(bytes.toString('hex', start, start + 16));
    }
    expect(beginnings.size).toBe(1024);
  });
});
