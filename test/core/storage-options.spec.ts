import { parseStorageOptions } from '../../lib/core/storage-options.js';
import { UploadMemory } from '../../lib/core/upload-memory.js';

describe('uploadMemory', () => {
  test('is the one that is given, or a new one of the size, or none', () => {
    const shared = new UploadMemory('1mb');
    expect(parseStorageOptions({ uploadMemory: shared }).uploadMemory).toBe(shared);
    expect(parseStorageOptions({ uploadMemory: '2kb' }).uploadMemory).toEqual(
      expect.objectContaining({ limit: 2048 }),
    );
    expect(parseStorageOptions({}).uploadMemory).toBeUndefined();
  });

  test('is refused when it is neither', () => {
    for (const uploadMemory of ['5 apples', -1, null]) {
      expect(() => parseStorageOptions({ uploadMemory } as never)).toThrow('uploadMemory must be');
    }
  });
});
