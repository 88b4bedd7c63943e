import { planUploads, storagesOf } from '../../lib/uploads/upload-plan.js';

const KiB = 1024;
const MiB = 1024 * KiB;
/** What is taken for the head of each part. */
const HEAD = KiB;

const totalOf = (...given: Parameters<typeof planUploads>): number =>
  planUploads(...given).limits.maxTotalSize;

describe('the largest body by default', () => {
  test('is ten files of ten MiB, four text fields of a MiB, and the heads of all parts', () => {
    expect(totalOf({})).toBe(100 * MiB + 4 * MiB + 110 * HEAD);
  });

  test('has room for no more text fields than there may be', () => {
    const limits = { maxSize: 100, maxFiles: 2, maxFieldSize: 50 };
    expect(totalOf({ ...limits, maxFields: 3 })).toBe(200 + 150 + 5 * HEAD);
    expect(totalOf({ ...limits, maxFields: 4 })).toBe(200 + 200 + 6 * HEAD);
    expect(totalOf({ ...limits, maxFields: 5 })).toBe(200 + 200 + 7 * HEAD);
  });

  test('has room for the files that are expected, where these are fewer than may come', () => {
    const limits = { maxSize: 100, maxFields: 0 };
    expect(totalOf(limits, { expectedFiles: 1 })).toBe(100 + 10 * HEAD);
    expect(totalOf({ ...limits, maxFiles: 2 }, { expectedFiles: 5 })).toBe(200 + 2 * HEAD);
    expect(totalOf(limits, { expectedFiles: 5, defaultMaxFiles: 5 })).toBe(500 + 5 * HEAD);
  });

  test('has room for the files of each field, by its own limits, and for no more than all may have', () => {
    const uploadFields = [{ name: 'photo', maxCount: 1, maxSize: 1000 }, { name: 'notes' }];
    const limits = { maxSize: 10, maxFields: 0 };
    const few = planUploads({ ...limits, maxFiles: 3 }, { uploadFields }).limits;
    expect([few.maxSize, few.maxTotalSize]).toEqual([1000, 1000 + 30 + 3 * HEAD]);
    const one = planUploads({ ...limits, maxFiles: 1 }, { uploadFields }).limits;
    expect(one.maxTotalSize).toBe(1000 + HEAD);
  });

  test('tells of the one file that it follows from, and of none when it is given', () => {
    expect(planUploads({}, { onlyFile: 'photo' }).limits.onlyFile).toBe('photo');
    const { limits } = planUploads({ maxTotalSize: '1mb' }, { onlyFile: 'photo' });
    expect([limits.onlyFile, limits.maxTotalSize]).toEqual([undefined, MiB]);
  });
});

test('a form of no fields with files has no room for any', () => {
  const { limits } = planUploads({ maxFields: 0 }, { uploadFields: [] });
  expect([limits.maxSize, limits.maxTotalSize]).toEqual([0, 10 * HEAD]);
});

test.each([
  [20, [{ maxCount: 20 }]],
  [3, [{ maxCount: 1 }, { maxCount: 2 }]],
  [12, [{ maxCount: 12 }, {}]],
  [10, [{ maxCount: 2 }, {}]],
  [10, [{}]],
  [10, []],
])('a form may have %d files by default when its fields are %j', (most, counts) => {
  const uploadFields = counts.map((count, index) => ({ name: `f${index}`, ...count }));
  expect(planUploads({}, { uploadFields }).limits.maxFiles).toBe(most);
  expect(planUploads({ maxFiles: 1 }, { uploadFields }).limits.maxFiles).toBe(1);
});

describe('an option of a field', () => {
  test('that is undefined is as the interceptor has it', () => {
    const scan = (): void => {};
    const own = { accept: undefined, maxSize: undefined, storage: undefined, scan: undefined };
    const options = { accept: ['image/png'], maxSize: 3, storage: 'docs', scan, maxFiles: 2 };
    const uploadFields = [{ name: 'photo', maxCount: undefined, ...own }];
    const { fields, limits } = planUploads(options, { uploadFields: uploadFields as never });
    expect(fields.get('photo')).toMatchObject({
      storage: 'docs',
      options: { accept: ['image/png'], maxSize: 3, scan },
    });
    expect(limits.maxFiles).toBe(2);
  });

  test('goes before one that the interceptor leaves undefined', () => {
    const uploadFields = [{ name: 'photo', maxSize: 5 }];
    const { fields } = planUploads({ maxSize: undefined } as never, { uploadFields });
    expect(fields.get('photo')!.options.maxSize).toBe(5);
  });

  test('is refused by an unknown name, also when it is undefined', () => {
    const uploadFields = [{ name: 'photo', acept: undefined }] as never;
    expect(() => planUploads({}, { uploadFields })).toThrow('acept');
  });
});

describe('the storages of a form', () => {
  test('are those of its fields, whatever it says for others', () => {
    const uploadFields = [{ name: 'photo', storage: 'images' }, { name: 'notes' }];
    expect(storagesOf(planUploads({ storage: 'docs' }, { uploadFields }))).toEqual(
      new Set(['images', 'docs']),
    );
    expect(
      storagesOf(
        planUploads({ storage: 'docs' }, { uploadFields: [{ name: 'photo', storage: 'images' }] }),
      ),
    ).toEqual(new Set(['images']));
  });

  test('are the one of its options, or the default one, where the fields are not told', () => {
    expect(storagesOf(planUploads({ storage: 'docs' }))).toEqual(new Set(['docs']));
    expect(storagesOf(planUploads({}))).toEqual(new Set([undefined]));
  });
});
